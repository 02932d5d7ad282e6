"""One control for one parameter: a checkbox, a list of choices, or a number with a slider."""

from __future__ import annotations

import html
from collections.abc import Callable
from typing import Any

import ipywidgets
from ipywidgets import Layout

from nbmerge.methods import Parameter
from nbmerge.widgets.controls.elements import field, row, set_visible, text
from nbmerge.widgets.curves.rounding import round_to_step, round_value, step_of


class Control(ipywidgets.VBox):
    """A control with its explanation.

    Parameters
    ----------
    parameter : Parameter
    key : object
        Handed to `on_change`.
    on_change : callable
        ``(key, value)``, called when a user has changed the value.
    """

    def __init__(self, parameter: Parameter, label: str, help: str, on_change: Callable[[Any, Any], Any], key: Any):
        super().__init__()
        self.add_class("nbm-control")
        self._parameter, self._on_change, self._key = parameter, on_change, key
        self._value: Any = None
        self._busy = False
        self.inputs = self._make(label)
        self.varies = text(f"<b>{html.escape(label)}</b> differs between layers: see Tracks.", "quiet")
        words = [text(f"{html.escape(help)} <i>({parameter.range})</i>", "help")] if help else []
        self.children = [row(*self.inputs, self.varies), *words]

    def _make(self, label: str) -> list[ipywidgets.Widget]:
        """Make the widgets."""
        raise NotImplementedError

    def _put(self, value: Any) -> None:
        """Show a value in them."""
        raise NotImplementedError

    def show(self, value: Any | None) -> None:
        """Show a value, or None where there are several."""
        self._value, self._busy = value, True
        try:
            for widget in self.inputs:
                set_visible(widget, value is not None)
            set_visible(self.varies, value is None)
            if value is not None:
                self._put(value)
        finally:
            self._busy = False

    def changed(self, value: Any) -> None:
        """Report a change by the user."""
        if not self._busy:
            self._on_change(self._key, value)


class FlagControl(Control):
    """True or false."""

    def _make(self, label: str) -> list[ipywidgets.Widget]:
        self.box = ipywidgets.Checkbox(description=label, indent=False, layout=Layout(width="auto"))
        self.box.observe(lambda change: self.changed(change["new"]), "value")
        return [self.box]

    def _put(self, value: bool) -> None:
        self.box.value = bool(value)


class ChoiceControl(Control):
    """One of several choices."""

    def _make(self, label: str) -> list[ipywidgets.Widget]:
        options = [(str(c).lower() if isinstance(c, bool) else c, i) for i, c in enumerate(self._parameter.kind)]
        self.box = field(ipywidgets.Dropdown, label, options=options)
        self.box.observe(lambda change: self.changed(self._parameter.kind[change["new"]]), "value")
        return [self.box]

    def _put(self, value: Any) -> None:
        self.box.value = next(i for i, w in enumerate(self._parameter.kind) if w == value and type(w) is type(value))


class NumberControl(Control):
    """A slider over the usual range, and a field that takes any number."""

    def _make(self, label: str) -> list[ipywidgets.Widget]:
        low, high = self._parameter.slider
        self._step = step_of((low, high))
        self.slider = field(
            ipywidgets.FloatSlider, label, "auto", min=low, max=high, step=self._step, readout=False, value=low
        )
        self.slider.add_class("nbm-grow")
        self.box = ipywidgets.FloatText(step=self._step, layout=Layout(width="90px"))
        self.slider.observe(lambda change: self._slid(change["new"]), "value")
        self.box.observe(lambda change: self.changed(change["new"]), "value")
        return [self.slider, self.box]

    def _put(self, value: float) -> None:
        self.box.value = value
        self.slider.value = round_to_step(min(max(value, self.slider.min), self.slider.max), self._step)

    def _slid(self, value: float) -> None:
        # A shown slider writes its own rounding back; that is no move.
        known = 0.0 if self._value is None else min(max(self._value, self.slider.min), self.slider.max)
        if not self._busy and abs(value - known) > self._step * 0.500001:
            self.changed(round_value(value))


def make_control(
    parameter: Parameter, label: str, help: str, on_change: Callable[[Any, Any], Any], key: Any = None
) -> Control:
    """The control that fits a parameter."""
    kinds: dict[Any, type[Control]] = {"flag": FlagControl, "number": NumberControl}
    kind = kinds.get(parameter.kind, ChoiceControl)
    return kind(parameter, label, help, on_change, parameter.name if key is None else key)
