"""Scores of each recipe over time, and which recipe was the best so far."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from nbmerge.errors import NbmergeError

if TYPE_CHECKING:
    import pandas as pd

    from nbmerge.recipe import Recipe
    from nbmerge.typing import StopSignal

Score = Callable[[Any], float]
"""Takes what `sample` takes (a live merge, say) and returns a number; with a true attribute `lower`, lower is better."""


@dataclass(frozen=True)
class ScoreRecord:
    """The scores of one recipe.

    Parameters
    ----------
    fingerprint : str
        Of the recipe; empty without one.
    recipe : Recipe or None
    values : dict of str to float
        Score by name.
    failed : dict of str to str
        Name of a score that raised an error to its message.
    """

    fingerprint: str
    recipe: Recipe | None
    values: dict[str, float]
    failed: dict[str, str] = field(default_factory=dict)


class ScoreHistory:
    """Named scores with their values for each recipe.

    Parameters
    ----------
    scores : mapping of str to callable
        Name to score; see `Score`.

    Attributes
    ----------
    records : list of ScoreRecord
        One for each recipe; the latest comes last.
    """

    def __init__(self, scores: Mapping[str, Score] | None = None):
        self.scores: dict[str, Score] = {}
        self.records: list[ScoreRecord] = []
        self._lower: dict[str, bool] = {}
        for name, score in (scores or {}).items():
            self.add(name, score)

    def add(self, name: str, score: Score, lower: bool | None = None) -> None:
        """Add a score, or replace the one of that name; `lower` is for scores without that attribute: lower is better."""
        if not callable(score):
            raise TypeError(
                f"the score {name!r} must be a function that takes a model and returns a number, not {type(score).__name__}."
            )
        if name in self.scores and self.scores[name] != score:
            self._forget(name)
        self.scores[name] = score
        self._lower[name] = bool(getattr(score, "lower", False) if lower is None else lower)

    def remove(self, name: str) -> None:
        """Remove a score and its history."""
        del self.scores[name], self._lower[name]
        self._forget(name)

    def evaluate(self, model: Any, recipe: Recipe | None = None, *, cancel: StopSignal | None = None) -> ScoreRecord:
        """Evaluate every score for a model.

        Parameters
        ----------
        model : whatever the scores take
        recipe : Recipe, optional
            The recipe of the model; by default its ``recipe`` attribute.
        cancel : StopSignal, optional
            Set it from any thread: no further score is evaluated, and the rest are absent.

        Returns
        -------
        ScoreRecord
            A score that raises an exception is listed in `failed`; the others are evaluated all the same.
        """
        recipe = recipe if recipe is not None else getattr(model, "recipe", None)
        values: dict[str, float] = {}
        failed: dict[str, str] = {}
        for name, score in list(self.scores.items()):
            if cancel is not None and cancel.is_set():
                break
            try:
                values[name] = float(score(model))
            except Exception as error:  # a user's function may raise anything
                failed[name] = str(error) if isinstance(error, NbmergeError) else f"{type(error).__name__}: {error}"
        record = ScoreRecord(recipe.fingerprint if recipe is not None else "", recipe, values, failed)
        self.records = [r for r in self.records if not r.fingerprint or r.fingerprint != record.fingerprint]
        self.records.append(record)
        return record

    @property
    def latest(self) -> ScoreRecord | None:
        """The last record."""
        return self.records[-1] if self.records else None

    def find(self, fingerprint: str) -> ScoreRecord | None:
        """The record of a recipe, None where it has none."""
        return next((r for r in self.records if r.fingerprint and r.fingerprint == fingerprint), None)

    def is_lower_better(self, name: str) -> bool:
        """Whether less of a score is better."""
        return self._lower[name]

    def values(self, name: str) -> list[float]:
        """A score's values over time; the latest comes last."""
        return [r.values[name] for r in self.records if name in r.values]

    def best(self, name: str) -> ScoreRecord | None:
        """The record with the best value of a score, the earliest where several are equal."""
        known = [r for r in self.records if not math.isnan(r.values.get(name, math.nan))]
        sign = -1.0 if self._lower[name] else 1.0
        return max(known, key=lambda r: sign * r.values[name], default=None)

    def is_better(self, name: str, value: float, than: float) -> bool:
        """Whether one value of a score is better than another."""
        return value < than if self._lower[name] else value > than

    @property
    def table(self) -> pd.DataFrame:
        """One row for each recipe, in the order of evaluation, one column for each score."""
        import pandas as pd

        index = pd.Index([r.fingerprint for r in self.records], name="recipe")
        return pd.DataFrame([r.values for r in self.records], index=index, columns=list(self.scores), dtype=float)

    def _forget(self, name: str) -> None:
        for record in self.records:
            record.values.pop(name, None)
            record.failed.pop(name, None)

    def __repr__(self) -> str:
        latest = self.latest.values if self.latest else {}
        return (
            f"<ScoreHistory: {', '.join(f'{n} {latest[n]:.3g}' if n in latest else n for n in self.scores) or 'none'}>"
        )
