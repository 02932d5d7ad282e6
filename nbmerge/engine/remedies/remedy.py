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
        """The first remedies after which the recipe has no error, and no longer this problem.

        Those that bring warnings of another kind, which an error may have hidden, only where all others do.
        """
        solving: list[Remedy] = []
        warning: list[Remedy] = []
        for remedy, new in self._try_each(remedies, problem):
            (warning if new else solving).append(remedy)
            if len(solving) == most:
                break
        return (solving or warning)[:most]

    def _try_each(self, remedies: Iterable[Remedy], problem: Problem) -> Iterator[tuple[Remedy, bool]]:
        """Remedies that solve a problem, and whether they bring another one."""
        for remedy in remedies:
            if time.monotonic() > self._end:
                return
            try:
                plan, problems = examine(remedy.change(self.recipe))
            except NbmergeError:  # what is left is not a recipe
                continue
            serious = [p for p in problems if p.severity != "info"]
            if plan is not None and not any(p.kind == problem.kind and p.where == problem.where for p in serious):
                yield remedy, any((p.severity, p.kind) not in self._before for p in serious)
