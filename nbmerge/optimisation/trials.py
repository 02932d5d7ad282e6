"""One trial of a search: the values that were tried, and what they scored."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from nbmerge.optimisation.goals import Goal, find_front
from nbmerge.optimisation.space import Value

State = Literal["running", "complete", "failed", "pruned"]


@dataclass(frozen=True)
class Trial:
    """A trial.

    Parameters
    ----------
    number : int
        From 0; trial 0 has the values of the recipe that the search began with.
    values : dict of str to value
        What was tried, by the names of the space.
    state : str
        "running", "complete", "failed" (a score raised an error or was not a number) or "pruned" (stopped early).
    scores, held_out : dict of str to float
        On the texts that the search looks at, and on the others. Texts that are held out are scored for trials that were better
        than all before them.
    objective : tuple of float
        What trials are compared by; see `Goal.compute`.
    steps : tuple of float
        The objective as far as it was known at each step of scoring, for pruning.
    error : str
        Why it failed.
    seconds : float
    """

    number: int
    values: dict[str, Value]
    state: State = "running"
    scores: dict[str, float] = field(default_factory=dict)
    held_out: dict[str, float] = field(default_factory=dict)
    objective: tuple[float, ...] = ()
    steps: tuple[float, ...] = ()
    error: str = ""
    seconds: float = 0.0

    @property
    def is_finished(self) -> bool:
        """Whether it has ended, in whatever way."""
        return self.state != "running"


def find_best(trials: Iterable[Trial], goal: Goal) -> list[Trial]:
    """The complete trials that no other beats: the best one, or a Pareto front. In order of their numbers."""
    complete = {t.number: t for t in trials if t.state == "complete"}
    return [complete[n] for n in find_front({n: goal.turned(t.objective) for n, t in complete.items()})]
