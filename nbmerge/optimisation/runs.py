"""One run of a search: it claims trials, has them scored and notes what became of them, until the budget is spent."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from nbmerge.arguments import parse_whole_number
from nbmerge.errors import ArgumentError, MergeStopped
from nbmerge.optimisation.objective import Request
from nbmerge.optimisation.samplers import Sampler
from nbmerge.optimisation.store import Store
from nbmerge.optimisation.trials import Trial, find_best
from nbmerge.optimisation.workers import Workers
from nbmerge.progress import Listener, Reporter
from nbmerge.recipe import Recipe

if TYPE_CHECKING:
    from nbmerge.typing import StopSignal

TRIALS = 100
"""Trials of a search without a budget."""
LEARNED = 5
"""Earlier trials that must have come to a step before any is stopped there."""
POLL = 0.1
"""Seconds between two looks at what others have done."""


@dataclass(frozen=True)
class Budget:
    """How long a search runs.

    Parameters
    ----------
    trials : int or None
        Of the whole search, earlier runs included.
    seconds : float
        Of this run; a trial that has begun is finished.
    """

    trials: int | None
    seconds: float
    began: float = field(default_factory=lambda: time.monotonic())

    @classmethod
    def of(cls, trials: int | None, seconds: float | None, most: int | None) -> Budget:
        """Read what a caller asked for; `most` is how many trials there can be.

        Raises
        ------
        ArgumentError
            When a number is not positive.
        """
        if trials is not None:
            parse_whole_number("trials", trials, 1)
        if seconds is not None and not (isinstance(seconds, int | float) and seconds > 0):
            raise ArgumentError(f"seconds is a number above 0, not {seconds!r}.")
        if trials is None and seconds is None:
            trials = TRIALS
        limits = [limit for limit in (trials, most) if limit is not None]
        return cls(min(limits, default=None), math.inf if seconds is None else float(seconds))

    @property
    def used(self) -> float:
        """Seconds since the run began."""
        return time.monotonic() - self.began

    @property
    def is_over(self) -> bool:
        """Whether the time is up."""
        return self.used >= self.seconds


@dataclass
class Run:
    """A run of a search.

    Parameters
    ----------
    start : Recipe
    sampler : Sampler
    store : Store
    budget : Budget
    prune : bool
    """

    start: Recipe
    sampler: Sampler
    store: Store
    budget: Budget
    prune: bool

    def until_done(
        self,
        workers: Workers,
        listener: Listener | None,
        cancel: StopSignal | None,
        after: Callable[[], object] | None = None,
    ) -> bool:
        """Work until all trials have ended or the time is up; whether it was stopped.

        Trials that other processes work on are waited for, and taken over when these die. `after` is called after each trial.
        """
        done = sum(trial.is_finished for trial in self.store.trials())
        report = Reporter(listener, max((self.budget.trials or done) - done, 0), 0)
        report.tell("planned")
        try:
            self._work(workers, report, cancel, after)
        except (MergeStopped, KeyboardInterrupt) as stop:
            report.tell("stopped", error=str(stop))
            return True
        except BaseException as error:
            report.tell("failed", error=str(error))
            raise
        report.tell("finished")
        return False

    def _work(
        self, workers: Workers, report: Reporter, cancel: StopSignal | None, after: Callable[[], object] | None
    ) -> None:
        while True:
            while workers.is_free and not self.budget.is_over and (trial := self._claim()) is not None:
                workers.submit(trial, self._request(trial))
            if not workers.is_busy and (self.budget.is_over or self._is_complete()):
                return
            for trial, outcome in workers.collect(POLL):
                self.store.finish(trial, outcome)
                if after is not None:
                    after()
                report.tell("tensor", f"trial {trial.number}")
            if cancel is not None and cancel.is_set():
                raise MergeStopped("The search was stopped.")

    def _claim(self) -> Trial | None:
        return self.store.claim(self.sampler.count_needed, self.sampler.draw, self.budget.trials)

    def _is_complete(self) -> bool:
        trials = self.store.trials()
        return self.budget.trials is not None and sum(t.is_finished for t in trials) >= self.budget.trials

    def _request(self, trial: Trial) -> Request:
        """What is known before a trial is what its values were drawn from, whenever it is scored."""
        known = self.store.trials()[: self.sampler.count_needed(trial.number)]
        goal = self.sampler.goal
        best = tuple(goal.turned(t.objective) for t in find_best(known, goal))
        recipe = self.sampler.space.apply(self.start, trial.values) if trial.number else self.start
        return Request(recipe, _medians(known) if self.prune else None, best)


def _medians(trials: Sequence[Trial]) -> tuple[float, ...]:
    """For each step of scoring, the median of the trials that came to it; as far as enough of them did."""
    found: list[float] = []
    while True:
        values = [t.steps[len(found)] for t in trials if len(t.steps) > len(found)]
        if len(values) < LEARNED:
            return tuple(found)
        found.append(statistics.median(values))
