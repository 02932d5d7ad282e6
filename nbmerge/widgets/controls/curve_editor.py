"""The curve editor: numbers go to the browser, which draws them, and moves of points come back.

The browser sends moves (`edit`), the kernel what is drawn (`view`). No value travels both ways, so the two can never
chase each other. For paper and files, matplotlib draws the same picture: `nbmerge.plots.curve`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import anywidget
from traitlets import Dict

from nbmerge.plots.curve import LEFT, RIGHT, Line

STATIC = Path(__file__).parents[1] / "static"
SLOT = 34
"""Least pixels per layer: a slider with its number must fit under each point."""


def read_script(name: str) -> str:
    """A view's module with what all views share in front of it; a widget's module can import nothing beside it."""
    return "\n".join((STATIC / f"{part}.js").read_text(encoding="utf-8") for part in ("svg", name))


def read_style_sheet(name: str) -> str:
    """A view's style sheet as a text: given a path, anywidget would keep every widget of the class alive to notify it of changes."""
    return (STATIC / f"{name}.css").read_text(encoding="utf-8")


class CurveEditor(anywidget.AnyWidget):
    """Curves whose selected one can be moved point by point.

    Parameters
    ----------
    on_edit : callable
        ``(slot, value)``: called for every move of a point, by mouse, finger or keyboard.
    """

    _esm = read_script("curve")
    _css = read_style_sheet("curve")

    view = Dict().tag(sync=True)
    edit = Dict().tag(sync=True)

    def __init__(self, on_edit: Callable[[int, float], Any]):
        super().__init__()
        self.add_class("nbm-curve")
        self._on_edit = on_edit
        self._content: dict[str, Any] | None = None
        self._answered, self._answering = 0, False
        self.observe(self._edited, "edit")

    def show(
        self, lines: Sequence[Line], slots: Sequence[str], span: tuple[float, float], ends: tuple[str, str],
        labels: Sequence[str], step: float,
    ) -> None:  # fmt: skip
        """Draw.

        Parameters
        ----------
        lines, slots, span, ends
            See `nbmerge.plots.curve.curve`. The selected line gets the points.
        labels : sequence of str
            Names of the points for screen readers, one per slot.
        step : float
            Values are rounded to this.
        """
        chosen = next(line for line in lines if line.selected)
        self._content = {
            "lines": [_plain(line) for line in lines],
            "points": [
                {"value": value, "label": label, "inside": slot.isdigit()}
                for value, label, slot in zip(chosen.values, labels, slots, strict=True)
            ],
            "ends": list(ends), "low": span[0], "high": span[1], "step": step, "least": least_width(len(slots)),
        }  # fmt: skip
        if not self._answering:
            self._send_view()

    def _send_view(self) -> None:
        if self._content is not None:
            self.view = {**self._content, "answers": self._answered}

    def _edited(self, change: dict[str, Any]) -> None:
        edit = change["new"]
        slot, value = edit.get("slot"), edit.get("value")
        self._answering = True
        try:
            if isinstance(slot, int) and isinstance(value, int | float):
                self._on_edit(slot, float(value))
        finally:
            self._answering = False
        self._answered = edit.get("count", 0)
        self._send_view()  # also where nothing changed: the point must go back to where it belongs


def _plain(line: Line) -> dict[str, Any]:
    """A line as the browser takes it; dashes in multiples of its width."""
    return {
        "values": list(line.values), "colour": line.colour, "selected": line.selected, "label": line.label,
        "dash": [] if line.dash == "solid" else list(line.dash[1]),
        "spread": None if line.spread is None else [s and list(s) for s in line.spread],
    }  # fmt: skip


def least_width(slots: int) -> int:
    """Pixels below which the picture scrolls instead of shrinking."""
    return LEFT + RIGHT + SLOT * slots
