"""The curve editor: numbers go to the browser, which draws them, and moves of points come back.

For paper and files, matplotlib draws the same picture: `nbmerge.plots.curve`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from nbmerge.plots.curve import LEFT, RIGHT, Line
from nbmerge.widgets.controls.guard import Guard
from nbmerge.widgets.controls.view import View

SLOT = 34
"""Least pixels per layer: a slider with its number must fit under each point."""


class CurveEditor(View):
    """Curves whose selected one can be moved point by point.

    Parameters
    ----------
    on_move : callable
        ``(slot, value)``: called for every move of a point, by mouse, finger or keyboard.
    guard : Guard
        Shows what it raises.
    """

    script = "curve"

    def __init__(self, on_move: Callable[[int, float], Any], guard: Guard):
        def move(slot: int, value: float) -> None:
            on_move(slot, value)

        super().__init__({"move": move}, guard)

    def draw(
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
        self.show({
            "lines": [_plain(line) for line in lines],
            "points": [
                {"value": value, "label": label, "inside": slot.isdigit()}
                for value, label, slot in zip(chosen.values, labels, slots, strict=True)
            ],
            "ends": list(ends), "low": span[0], "high": span[1], "step": step, "least": least_width(len(slots)),
        })  # fmt: skip


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
