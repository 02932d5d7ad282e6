"""The best steps over several scores."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from nbmerge.widgets.state.history.step import Step


def list_pareto_best(steps: Iterable[Step], lower: Mapping[str, bool]) -> set[int]:
    """Ids of the steps that no other beats: none is better in one score and at least as good in all others.

    Parameters
    ----------
    steps : iterable of Step
        Those that lack one of the scores, or have one that is not a number, are not compared.
    lower : mapping of str to bool
        The scores that count, and whether less is better.
    """
    if not lower:
        return set()
    points = {step.id: _goodness(step, lower) for step in steps}
    known = {id: point for id, point in points.items() if point is not None}
    return {
        id for id, point in known.items()
        if not any(_beats(other, point) for other in known.values())
    }  # fmt: skip


def _goodness(step: Step, lower: Mapping[str, bool]) -> tuple[float, ...] | None:
    """Scores of a step with their signs turned so that more is better."""
    values = [step.scores.get(name, math.nan) * (-1.0 if less else 1.0) for name, less in lower.items()]
    return None if any(map(math.isnan, values)) else tuple(values)


def _beats(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    return one != other and all(a >= b for a, b in zip(one, other, strict=True))
