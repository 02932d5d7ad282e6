"""Where each step stands when the tree is drawn as a list: newest first, each branch in a lane of its own."""

from __future__ import annotations

from dataclasses import dataclass

from nbmerge.widgets.state.history.step import Step
from nbmerge.widgets.state.history.tree import History

MOST_LANES = 8
"""Lanes beside each other; further branches share the last one."""


@dataclass(frozen=True)
class Place:
    """A step in the drawing.

    Parameters
    ----------
    step : Step
    lane : int
        Column of its dot, from 0.
    parent_row : int or None
        Row of the step that it came from, counted from the top.
    """

    step: Step
    lane: int
    parent_row: int | None


def lay_out(history: History, most: int) -> list[Place]:
    """The steps from the newest to the oldest; of more than `most`, those that matter most."""
    shown = History(history, history.current_id)
    shown.prune(most)
    steps = sorted(shown, key=lambda step: -step.id)
    rows = {step.id: row for row, step in enumerate(steps)}
    lanes = _find_lanes(steps[::-1])
    return [Place(s, lanes[s.id], None if s.parent is None else rows.get(s.parent)) for s in steps]


def _find_lanes(steps: list[Step]) -> dict[int, int]:
    """The first child stays in its parent's lane, each further one begins a new lane."""
    lanes: dict[int, int] = {}
    continued: set[int] = set()
    for step in steps:
        if step.parent in lanes and step.parent not in continued:
            continued.add(step.parent)
            lanes[step.id] = lanes[step.parent]
        else:
            lanes[step.id] = min(max(lanes.values(), default=-1) + 1, MOST_LANES - 1)
    return lanes
