"""A row of vertical sliders, one per slot of the curve above it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import ipywidgets
from ipywidgets import Layout

from nbmerge.plots.curve import LEFT, RIGHT
from nbmerge.widgets.controls.curve_editor import least_width
from nbmerge.widgets.controls.elements import set_tooltip
from nbmerge.widgets.controls.lifetime import replace_children
from nbmerge.widgets.curves.rounding import decimals_of, round_to_step, round_value, step_of

ECHO = 0.7
"""Seconds in which a value that was sent to a slider may come back from it."""


class SliderRow(ipywidgets.HBox):
    """Vertical sliders of equal width.

    Parameters
    ----------
    on_move : callable
        ``(slot, value)``, once for each move by the user.

    A shown slider writes its own rounding back to the kernel, at once and after every change from here. So it is given
    multiples of its step; what comes back within half a step of the true value is no move, and neither is the late
    echo of a value that has been overtaken since.
    """

    def __init__(self, on_move: Callable[[int, float], Any]):
        super().__init__()
        self.add_class("nbm-sliders")
        self._on_move = on_move
        self._values: list[float] = []
        self._form: tuple[tuple[str, ...], tuple[float, float]] | None = None
        self._step = 0.01
        self._sent: list[tuple[ipywidgets.FloatSlider, float, float]] = []
        self._busy = False

    def show(
        self,
        slots: Sequence[str],
        values: Sequence[float],
        span: tuple[float, float],
        names: Sequence[str],
        colour: str,
    ) -> None:
        """Show these values in the colour of their curve; new sliders are made only when slots or range change."""
        self._values = list(values)
        self._busy = True
        try:
            if self._form != (tuple(slots), span):
                self._form = (tuple(slots), span)
                self._make(slots, span, names)
            for slider, value in zip(self.children, values, strict=True):
                self._put(slider, round_to_step(value, self._step))
            self._style.handle_color = colour
        finally:
            self._busy = False

    def _put(self, slider: ipywidgets.FloatSlider, value: float) -> None:
        if slider.value != value:
            self._sent.append((slider, value, time.monotonic() + ECHO))
            slider.value = value

    def _is_echo(self, slider: ipywidgets.FloatSlider, value: float) -> bool:
        now = time.monotonic()
        self._sent = [sent for sent in self._sent if sent[2] > now]
        return any(of is slider and abs(value - sent) < self._step / 1000 for of, sent, _ in self._sent)

    def _make(self, slots: Sequence[str], span: tuple[float, float], names: Sequence[str]) -> None:
        self._step = step_of(span)
        shared: dict[str, ipywidgets.Widget] = {"layout": Layout(height="150px", width="auto")}
        self.layout.min_width = f"{least_width(len(slots))}px"
        self.layout.padding = f"0 {RIGHT}px 0 {LEFT}px"
        sliders = []
        for number, (slot, name) in enumerate(zip(slots, names, strict=True)):
            slider = ipywidgets.FloatSlider(
                value=span[0], min=span[0], max=span[1], step=self._step, description=slot,
                orientation="vertical", readout_format=f".{decimals_of(self._step)}f", **shared,
            )  # fmt: skip
            slider.observe(lambda change, number=number: self._slid(number, change["new"]), "value")
            sliders.append(set_tooltip(slider, name))
            shared["style"] = self._style = slider.style  # the first one's, for all
        replace_children(self, sliders)

    def _slid(self, slot: int, value: float) -> None:
        if self._busy or abs(value - self._values[slot]) <= self._step * 0.500001:
            return
        if not self._is_echo(self.children[slot], value):
            self._on_move(slot, round_value(value))
