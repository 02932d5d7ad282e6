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
class Reading:
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
    readings : list of Reading
        One for each recipe; the latest comes last.
    """

    def __init__(self, scores: Mapping[str, Score] | None = None):
        self.scores: dict[str, Score] = {}
        self.readings: list[Reading] = []
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

    def read(self, model: Any, recipe: Recipe | None = None, *, cancel: StopSignal | None = None) -> Reading:
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
        Reading
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
        reading = Reading(recipe.fingerprint if recipe is not None else "", recipe, values, failed)
        self.readings = [r for r in self.readings if not r.fingerprint or r.fingerprint != reading.fingerprint]
        self.readings.append(reading)
        return reading

    @property
    def latest(self) -> Reading | None:
        """The last reading."""
        return self.readings[-1] if self.readings else None

    def values(self, name: str) -> list[float]:
        """A score's values over time; the latest comes last."""
        return [r.values[name] for r in self.readings if name in r.values]

    def best(self, name: str) -> Reading | None:
        """The reading with the best value of a score, the earliest where several are equal."""
        known = [r for r in self.readings if not math.isnan(r.values.get(name, math.nan))]
        sign = -1.0 if self._lower[name] else 1.0
        return max(known, key=lambda r: sign * r.values[name], default=None)

    def is_better(self, name: str, value: float, than: float) -> bool:
        """Whether one value of a score is better than another."""
        return value < than if self._lower[name] else value > than

    @property
    def table(self) -> pd.DataFrame:
        """One row for each recipe, in the order of reading, one column for each score."""
        import pandas as pd

        index = pd.Index([r.fingerprint for r in self.readings], name="recipe")
        return pd.DataFrame([r.values for r in self.readings], index=index, columns=list(self.scores), dtype=float)

    def _forget(self, name: str) -> None:
        for reading in self.readings:
            reading.values.pop(name, None)
            reading.failed.pop(name, None)

    def __repr__(self) -> str:
        latest = self.latest.values if self.latest else {}
        return (
            f"<ScoreHistory: {', '.join(f'{n} {latest[n]:.3g}' if n in latest else n for n in self.scores) or 'none'}>"
        )
