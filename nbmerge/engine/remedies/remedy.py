"""A remedy: a change of a recipe that solves a problem, and the trial that shows that it does."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from nbmerge.engine.planning import examine
from nbmerge.errors import NbmergeError
from nbmerge.problems import Problem
from nbmerge.recipe import Recipe


@dataclass(frozen=True)
class Remedy:
    """A button that solves a problem.

    Parameters
    ----------
    title : str
        What it does: "Remove other-hidden".
    change : callable
        ``(recipe) -> recipe``
    """

    title: str
    change: Callable[[Recipe], Recipe]


class Trial:
    """Tries remedies on a recipe, for a limited time.

    Parameters
    ----------
    recipe : Recipe
    problems : iterable of Problem
        Those that it has.
    seconds : float
        When they are over, no other remedy is tried or offered.
    """

    def __init__(self, recipe: Recipe, problems: Iterable[Problem], seconds: float):
        self.recipe = recipe
        self._before = {(p.severity, p.kind) for p in problems}
        self._end = time.monotonic() + seconds

    def select(self, remedies: Iterable[Remedy], problem: Problem, most: int) -> list[Remedy]:
        """The first remedies after which the recipe has no error, and no longer this problem."""
        return [remedy for remedy, _ in zip(self._iterate(remedies, problem), range(most), strict=False)]

    def _iterate(self, remedies: Iterable[Remedy], problem: Problem) -> Iterator[Remedy]:
        for remedy in remedies:
            if time.monotonic() > self._end:
                return
            if self._solves(remedy, problem):
                yield remedy

    def _solves(self, remedy: Remedy, problem: Problem) -> bool:
        try:
            plan, problems = examine(remedy.change(self.recipe))
        except NbmergeError:  # what is left is not a recipe
            return False
        serious = [p for p in problems if p.severity != "info"]
        new = [p for p in serious if (p.severity, p.kind) not in self._before]
        still = [p for p in serious if p.kind == problem.kind and p.where == problem.where]
        return plan is not None and not new and not still
