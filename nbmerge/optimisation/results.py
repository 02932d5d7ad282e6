"""What a search found: its trials, the best recipe or the Pareto front, and whether held-out texts agree."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Literal

from nbmerge.errors import ArgumentError, SampleError
from nbmerge.optimisation.goals import Goal, choose_balanced
from nbmerge.optimisation.overfitting import describe_overfitting
from nbmerge.optimisation.space import Space
from nbmerge.optimisation.trials import Trial, find_best
from nbmerge.presentation import Displayed, draw
from nbmerge.recipe import Recipe

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class SearchResult(Displayed):
    """The trials of a search; returned by `search`.

    Parameters
    ----------
    start : Recipe
        What the search began with.
    space : Space
        What it varied.
    goal : Goal
        How it compared trials.
    trials : tuple of Trial
        All that have ended, in order.
    held_out : dict of str to bool
        Scores of texts that were held out, and whether lower is better.
    is_stopped : bool
        Whether it was stopped before its budget was spent.
    seconds : float
        Of this run.
    """

    start: Recipe
    space: Space
    goal: Goal
    trials: tuple[Trial, ...]
    held_out: dict[str, bool] = field(default_factory=dict)
    is_stopped: bool = False
    seconds: float = 0.0

    @cached_property
    def front(self) -> tuple[Trial, ...]:
        """The trials that no other beats: the best one, or with several goals the Pareto front."""
        return tuple(find_best(self.trials, self.goal))

    def ranked(self, most: int) -> tuple[Trial, ...]:
        """The best trials: those of `front`, then others by the first number that they are compared by."""
        best = {t.number for t in self.front}
        complete = (t for t in self.trials if t.state == "complete")
        order = sorted(
            complete, key=lambda t: (t.number not in best, [-v for v in self.goal.turned(t.objective)], t.number)
        )
        return tuple(order[:most])

    @property
    def best_trial(self) -> Trial:
        """The best trial; of a Pareto front, the one whose weakest score is best.

        For that, each score is scaled from 0 to 1 between the ends of the front.

        Raises
        ------
        SampleError
            When all trials failed.
        """
        if not self.front:
            failed = next((t.error for t in self.trials if t.error), "no trial ended.")
            raise SampleError(f"No trial of this search succeeded. The first failed: {failed}")
        points = {t.number: self.goal.turned(t.objective) for t in self.front}
        number = choose_balanced(points)
        return next(t for t in self.front if t.number == number)

    @property
    def best(self) -> Recipe:
        """The recipe of `best_trial`."""
        return self.recipe(self.best_trial.number)

    @property
    def pareto(self) -> tuple[Recipe, ...]:
        """The recipes of `front`."""
        return tuple(self.recipe(t.number) for t in self.front)

    def recipe(self, number: int) -> Recipe:
        """The recipe of a trial.

        Raises
        ------
        ArgumentError
            When there is no such trial.
        """
        trial = next((t for t in self.trials if t.number == number), None)
        if trial is None:
            raise ArgumentError(f"There is no trial {number!r}; this search has {len(self.trials)}, from 0.")
        return self.start if number == 0 else self.space.apply(self.start, trial.values)

    @cached_property
    def table(self) -> pd.DataFrame:
        """One row per trial: its number and state, scores, ``held_out[score]``, values, and whether none is better."""
        import pandas as pd

        best = {t.number for t in self.front}
        rows = []
        for t in self.trials:
            row: dict[str, object] = {"trial": t.number, "state": t.state, "best": t.number in best}
            if self.goal.kind != "pareto":
                row[self.goal.title] = t.objective[0] if t.objective else None
            row |= {name: t.scores.get(name) for name in self.goal.lower}
            row |= {f"held_out[{name}]": t.held_out.get(name) for name in self.held_out}
            rows.append(row | t.values | ({"error": t.error} if any(t.error for t in self.trials) else {}))
        table = pd.DataFrame(rows)
        numbers = [*self.goal.lower, *(f"held_out[{name}]" for name in self.held_out)]
        return table.astype({name: float for name in numbers if name in table})

    @cached_property
    def notes(self) -> tuple[str, ...]:
        """What failed, and where held-out texts disagree with those that were searched for."""
        failed = Counter(t.error for t in self.trials if t.state == "failed")
        notes = [f"{count} of {len(self.trials)} trials failed: {error}" for error, count in failed.most_common(10)]
        notes += describe_overfitting(self.trials, self.goal, self.best_trial, self.held_out) if self.front else []
        if self.is_stopped:
            notes.append("The search was stopped. Call it again with the same storage to continue.")
        return tuple(notes)

    def plot(
        self,
        what: Literal["slices", "coordinates"] = "slices",
        *,
        theme: Literal["auto", "light", "dark"] = "auto",
        width: float = 20 / 3,
        font_size: float = 9.0,
    ) -> Figure:
        """Plot the course of the search, and which values mattered.

        Parameters
        ----------
        what : "slices" or "coordinates"
            Trials over each value, those that mattered most first; or each trial as a line through all values.
        theme, width, font_size
            As in `Recipe.plot`.

        Raises
        ------
        ArgumentError
            When no trial succeeded.
        """
        if what not in ("slices", "coordinates"):
            raise ArgumentError(f"what is 'slices' or 'coordinates', not {what!r}.")
        if not self.front:
            raise ArgumentError("No trial of this search succeeded, so there is nothing to plot.")
        return draw("search", self, what, theme=theme, width=width, font_size=font_size)

    @cached_property
    def importance(self) -> dict[str, float]:
        """How much each value mattered, from 0 to 1, the most important first; see `nbmerge.optimisation.importance`."""
        from nbmerge.optimisation.importance import measure_importance

        return measure_importance(self.trials, self.space, self.goal)

    def __repr__(self) -> str:
        states = Counter(t.state for t in self.trials)
        counts = ", ".join(f"{states[state]} {state}" for state in ("complete", "pruned", "failed") if states[state])
        if not self.front:
            return f"<SearchResult: {counts}>"
        scores = ", ".join(f"{name} {value:.4g}" for name, value in self.best_trial.scores.items())
        apart = "".join(f", held out {name} {value:.4g}" for name, value in self.best_trial.held_out.items())
        return f"<SearchResult: {counts}; best trial {self.best_trial.number}: {scores}{apart}>"
