"""What a search is after: all scores at once, the weakest of them, their mean, or a weighted sum."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from nbmerge.errors import ArgumentError

GoalLike = Literal["pareto", "weakest", "mean"] | Mapping[str, float]
"""Words, or the weight of each score in a sum."""
WORDS = ("pareto", "weakest", "mean")


@dataclass(frozen=True)
class Goal:
    """Turns the scores of a trial into what the search compares.

    Parameters
    ----------
    lower : dict of str to bool
        The scores, and whether lower is better.
    kind : str
        "pareto": every score by itself. "weakest", "mean": of the scores, signs turned so that higher is better. "sum": with
        `weights`.
    weights : dict of str to float
    """

    lower: dict[str, bool]
    kind: str = "pareto"
    weights: dict[str, float] | None = None

    @classmethod
    def of(cls, goal: GoalLike, lower: Mapping[str, bool]) -> Goal:
        """Read what a caller asked for.

        Raises
        ------
        ArgumentError
            When it is neither a word of `WORDS` nor weights of the scores.
        """
        if isinstance(goal, Mapping):
            if set(goal) != set(lower):
                raise ArgumentError(f"goal must have a weight for each score: {', '.join(lower)}.")
            return cls(dict(lower), "sum", {name: float(goal[name]) for name in lower})
        if goal not in WORDS:
            raise ArgumentError(f"goal is one of {', '.join(WORDS)}, or a weight for each score, not {goal!r}.")
        return cls(dict(lower), "pareto" if len(lower) == 1 else goal)

    @property
    def directions(self) -> list[Literal["minimize", "maximize"]]:
        """For each number of `compute`, whether it is to be low or high."""
        if self.kind == "pareto":
            return ["minimize" if lower else "maximize" for lower in self.lower.values()]
        return ["maximize"]

    @property
    def is_single(self) -> bool:
        """Whether trials are compared by one number."""
        return len(self.directions) == 1

    @property
    def title(self) -> str:
        """What the first number of `compute` is, in words."""
        return next(iter(self.lower)) if self.kind == "pareto" else {"sum": "weighted sum"}.get(self.kind, self.kind)

    def compute(self, scores: Mapping[str, float]) -> tuple[float, ...]:
        """The numbers by which a trial is compared; scores may be a part of all, in a trial that is going on."""
        if self.kind == "pareto":
            return tuple(scores[name] for name in self.lower if name in scores)
        turned = {name: -value if self.lower[name] else value for name, value in scores.items()}
        if self.kind == "weakest":
            return (min(turned.values()),)
        if self.kind == "mean":
            return (math.fsum(turned.values()) / len(turned),)
        assert self.weights is not None
        return (math.fsum(self.weights[name] * value for name, value in turned.items()),)

    def turned(self, values: Sequence[float]) -> tuple[float, ...]:
        """The numbers of `compute` with signs turned so that higher is better."""
        return tuple(-v if d == "minimize" else v for v, d in zip(values, self.directions, strict=True))

    def plain(self) -> dict[str, Any]:
        """Plain data, from which two goals can be compared."""
        return {"kind": self.kind, "weights": self.weights, "lower": self.lower}


def dominates(one: Sequence[float], other: Sequence[float]) -> bool:
    """Whether one is better in some number and at least as good in all others; higher is better."""
    return tuple(one) != tuple(other) and all(a >= b for a, b in zip(one, other, strict=True))


def find_front(points: Mapping[int, Sequence[float]]) -> list[int]:
    """Keys of the points that no other dominates, in order; of equal points the first."""
    seen: dict[tuple[float, ...], int] = {}
    for key, point in sorted(points.items()):
        seen.setdefault(tuple(point), key)
    return sorted(key for point, key in seen.items() if not any(dominates(other, point) for other in seen))


def choose_balanced(points: Mapping[int, Sequence[float]]) -> int:
    """Of a front, the point whose weakest number is best, each scaled from 0 (worst of the front) to 1 (best)."""
    columns = list(zip(*points.values(), strict=True))
    low, span = [min(c) for c in columns], [max(c) - min(c) or 1.0 for c in columns]

    def weakest(key: int) -> tuple[float, int]:
        return min((v - a) / s for v, a, s in zip(points[key], low, span, strict=True)), -key

    return max(points, key=weakest)
