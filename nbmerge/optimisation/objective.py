"""Scores a recipe: one live merge is updated for each trial, never made again."""

from __future__ import annotations

import math
import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from nbmerge.analysis.measure import call_score
from nbmerge.engine.live import LiveMerge, live
from nbmerge.errors import MergeStopped, NbmergeError, TooLargeError
from nbmerge.optimisation.goals import Goal, dominates
from nbmerge.quoting import quote
from nbmerge.recipe import Recipe
from nbmerge.sampling import Perplexity, evaluation_mode
from nbmerge.sampling.likelihood import evaluate
from nbmerge.sampling.scores import JointPerplexity

if TYPE_CHECKING:
    from types import TracebackType

    from nbmerge.typing import StopSignal

PARTS = 4
"""Parts in which a list of texts is scored, if a trial may be stopped early."""


@dataclass(frozen=True)
class Request:
    """What is to be scored, and what is known before.

    Parameters
    ----------
    recipe : Recipe
    medians : tuple of float or None
        For each step of scoring, the median of earlier trials; a trial that is worse is stopped. None without pruning.
    best : tuple of tuple of float
        The best objectives so far, signs turned so that higher is better. If none of them is at least as good as this one, the
        texts that are held out are scored.
    """

    recipe: Recipe
    medians: tuple[float, ...] | None = None
    best: tuple[tuple[float, ...], ...] = ()


@dataclass(frozen=True)
class Outcome:
    """What became of a trial; see `Trial` for the fields."""

    scores: dict[str, float] = field(default_factory=dict)
    held_out: dict[str, float] = field(default_factory=dict)
    objective: tuple[float, ...] = ()
    steps: tuple[float, ...] = ()
    error: str = ""
    is_pruned: bool = False
    seconds: float = 0.0


class ScoreError(Exception):
    """A score raised an error or is not a number; the message says which."""


class Objective:
    """Scores recipes on one live merge, which is made for the first of them.

    Parameters
    ----------
    scores, held_out : mapping of str to score
        As `nbmerge.analysis.measure.read_scores` returns them.
    goal : Goal
    threads : int, optional
    """

    def __init__(self, scores: Mapping[str, Any], held_out: Mapping[str, Any], goal: Goal, threads: int | None = None):
        self.scores, self.held_out, self.goal, self.threads = scores, held_out, goal, threads
        self._name = secrets.token_hex(8)
        self._merge: LiveMerge | None = None

    def described(self) -> tuple[str, tuple[Any, ...]]:
        """A name of its own, and what an objective in another process is made from."""
        return self._name, (self.scores, self.held_out, self.goal, self.threads)

    def __enter__(self) -> Objective:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Release the live merge."""
        merge, self._merge = self._merge, None
        if merge is not None:
            merge.close()

    def evaluate(self, request: Request, cancel: StopSignal | None = None) -> Outcome:
        """Score a recipe. What goes wrong with it becomes the outcome's `error`.

        Raises
        ------
        MergeStopped
            When `cancel` was set; nothing is known of the trial then.
        TooLargeError
            When the merge does not fit into memory, whatever its values.
        """
        began = time.perf_counter()
        scores: dict[str, float] = {}
        steps: list[float] = []
        try:
            merge = self._update(request.recipe, cancel)
            for name, value, is_last in self._score_in_steps(merge, self.scores, request.medians is not None):
                scores[name] = value
                if request.medians is not None:
                    steps.append(self.goal.compute(scores)[0])
                    if not is_last and self._is_hopeless(steps, request.medians):
                        return Outcome(scores, {}, (steps[-1],), tuple(steps), is_pruned=True, seconds=_since(began))
                _check_not_stopped(cancel)
            objective = self.goal.compute(scores)
            turned = self.goal.turned(objective)
            held_out: dict[str, float] = {}
            if self.held_out and not any(best == turned or dominates(best, turned) for best in request.best):
                held_out = {name: value for name, value, _ in self._score_in_steps(merge, self.held_out, False)}
        except (MergeStopped, TooLargeError):
            raise
        except ScoreError as error:
            return Outcome(scores, error=str(error), seconds=_since(began))
        except NbmergeError as error:  # a recipe that this combination of values makes invalid
            return Outcome(scores, error=quote(str(error), 300), seconds=_since(began))
        return Outcome(scores, held_out, objective, tuple(steps), seconds=_since(began))

    def _update(self, recipe: Recipe, cancel: StopSignal | None) -> LiveMerge:
        if self._merge is None:
            self._merge = live(recipe, progress=False, cancel=cancel, threads=self.threads)
        else:
            self._merge.update(recipe, progress=False, cancel=cancel)
        return self._merge

    def _score_in_steps(
        self, merge: LiveMerge, scores: Mapping[str, Any], in_parts: bool
    ) -> Iterator[tuple[str, float, bool]]:
        """Each score, and whether nothing follows; with `in_parts`, a perplexity first of some of its texts, then of more."""
        last = list(scores)[-1]
        for name, score in scores.items():
            try:
                for value, is_whole in _values_of(score, merge, in_parts):
                    if not math.isfinite(value):
                        raise ScoreError(f"The score {name!r} is {value}.")
                    yield name, value, is_whole and name == last
            except (MergeStopped, ScoreError):
                raise
            except Exception as error:  # a user's function may raise anything
                what = str(error) if isinstance(error, NbmergeError) else f"{type(error).__name__}: {error}"
                raise ScoreError(f"The score {name!r} failed: {quote(what, 300)}") from error

    def _is_hopeless(self, steps: Sequence[float], medians: Sequence[float]) -> bool:
        """Whether the last step is worse than the median of earlier trials at the same step."""
        step = len(steps) - 1
        if step >= len(medians):
            return False
        return self.goal.turned(steps[-1:])[0] < self.goal.turned(medians[step : step + 1])[0]


def _values_of(score: Any, merge: LiveMerge, in_parts: bool) -> Iterator[tuple[float, bool]]:
    """A score's value, and whether it is that of all texts."""
    if not in_parts or not isinstance(score, Perplexity | JointPerplexity):
        yield call_score(score, merge), True
        return
    with evaluation_mode(merge) as loaded:
        windows, logs = score.windows(loaded), []
        ends = {math.ceil(len(windows) * i / PARTS) for i in range(1, PARTS + 1)}
        for count, window in enumerate(windows, 1):
            logs.append(evaluate(loaded, window))
            if count in ends:
                yield float(score.combine(logs)), count == len(windows)


def _check_not_stopped(cancel: StopSignal | None) -> None:
    if cancel is not None and cancel.is_set():
        raise MergeStopped("The search was stopped.")


def _since(began: float) -> float:
    return time.perf_counter() - began
