"""The curve that can be dragged: a picture by matplotlib with movable points over it.

The browser sends what the hand does (`edit`) and how wide it is (`width`); the kernel sends the picture and where its
points lie (`view`). Nothing travels both ways, so the two can never chase each other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import anywidget
from matplotlib.axes import Axes
from traitlets import Dict, Float, Int

from nbmerge.plots.curve import LEFT, RIGHT, Line, curve, curve_axes
from nbmerge.plots.theme import DPI, to_png
from nbmerge.widgets.latest import Latest

STATIC = Path(__file__).parent / "static"
HEIGHT, BOTTOM = 240, 26
"""Pixels: of the picture, and below its axes, where the sliders bring the names of the layers."""
SLOT = 34
"""Least pixels per layer: a slider with its number must fit under each point."""


class CurveEditor(anywidget.AnyWidget):
    """A picture of curves whose selected one can be moved point by point.

    Parameters
    ----------
    on_edit : callable
        ``(slot, value)``: called for every move of a point, by mouse, finger or keyboard.
    on_error : callable
        Takes an exception from drawing, which happens in a thread of its own: the newest picture is drawn, those that
        it overtook are not.
    """

    _esm = STATIC / "curve.js"
    _css = STATIC / "curve.css"

    view = Dict().tag(sync=True)
    edit = Dict().tag(sync=True)
    width = Int(760).tag(sync=True)
    scale = Float(1.0).tag(sync=True)

    def __init__(self, on_edit: Callable[[int, float], Any], on_error: Callable[[BaseException], Any]):
        super().__init__()
        self.add_class("nbm-curve")
        self._on_edit = on_edit
        self._content: tuple | None = None
        self._drawn: tuple | None = None
        self._answered, self._answering = 0, False
        self._latest = Latest(on_error)
        self.observe(self._edited, "edit")
        self.observe(self._resized, ["width", "scale"])

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
            What each point is called by a screen reader, one per slot.
        step : float
            What one press of an arrow key adds.
        """
        content = (tuple(lines), tuple(slots), span, ends, tuple(labels), step)
        if content != self._content:
            first, self._content = self._content is None, content
            if first:
                self._draw()
            elif not self._answering:
                self._latest.submit(self._draw)

    def wait(self, timeout: float | None = None) -> bool:
        """Block until the newest picture is drawn."""
        return self._latest.wait(timeout)

    def _draw(self) -> None:
        # Read before the content: that may be newer than what it answers, but never older.
        answered, size = self._answered, (self.width, self.scale)
        content = self._content
        if (content, size, answered) == self._drawn:
            return
        self._drawn = content, size, answered
        lines, slots, span, ends, labels, step = content
        width = max(self.width, least_width(len(slots)))
        chosen = next(line for line in lines if line.selected)
        axes = curve(lines, slots, curve_axes(width, HEIGHT, BOTTOM), span=span, ends=ends, points=False, names=False)
        corners = [(0, span[0]), (0, span[1])]
        (_, bottom), (_, top), *places = _places(axes, [*corners, *enumerate(chosen.values)])
        points = [
            {"x": x, "y": y, "value": value, "label": label, "inside": slot.isdigit()}
            for (x, y), value, label, slot in zip(places, chosen.values, labels, slots, strict=True)
        ]
        picture = to_png(axes, DPI * min(max(self.scale, 1.0), 3.0))
        # One trait, so that picture and points arrive together.
        self.view = {
            "picture": picture, "points": points, "colour": chosen.colour,
            "step": step, "low": span[0], "high": span[1], "top": top, "bottom": bottom,
            "width": width, "least": least_width(len(slots)), "height": HEIGHT,
            "answers": answered,
        }  # fmt: skip

    def _edited(self, change: dict) -> None:
        edit = change["new"]
        slot, value = edit.get("slot"), edit.get("value")
        self._answering = True
        try:
            if isinstance(slot, int) and isinstance(value, int | float):
                self._on_edit(slot, float(value))
        finally:
            self._answering = False
        self._answered = edit.get("count", 0)
        if self._content is not None:  # also where nothing changed: the point must go back to where it belongs
            self._latest.submit(self._draw)

    def _resized(self, change: dict) -> None:
        if self._content is not None:
            self._latest.submit(self._draw)


def least_width(slots: int) -> int:
    """Pixels below which the picture scrolls instead of shrinking."""
    return LEFT + RIGHT + SLOT * slots


def _places(axes: Axes, points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Where points of the axes lie, in CSS pixels from the picture's upper left corner."""
    return [(float(x), HEIGHT - float(y)) for x, y in axes.transData.transform(list(points))]
