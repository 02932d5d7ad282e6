"""The result of one pass: how far models are from their base and each other, and what follows for their merges."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from nbmerge.engine.planning import Plan, TensorPlan
from nbmerge.engine.planning import plan as make_plan
from nbmerge.presentation import Displayed
from nbmerge.statistics.distances import Changes
from nbmerge.statistics.predicted_distances import gram_of, predict, trace
from nbmerge.statistics.retention import kept_mass
from nbmerge.statistics.tally import Tally

if TYPE_CHECKING:
    from nbmerge.typing import RecipeLike


class Statistics(Displayed):
    """Sums over the weights of a base and its models; the result of `nbmerge.measure_models`.

    Attributes
    ----------
    models : tuple of str
        Labels, the base first.
    paths : tuple of tuple of Path
        Their folders, each followed by those of its adapters.
    names : tuple of str
        The tensors, as all models have them.
    counts : ndarray of int, shape (tensors,)
        Their numbers of elements.
    tally : Tally
        The sums themselves.
    from_cache : bool
        Whether the sums come from the cache, without reading a weight.
    """

    def __init__(self, plan: Plan, tensors: Sequence[TensorPlan], tally: Tally, from_cache: bool = False):
        self.from_cache = from_cache
        self.models = plan.parents
        folders = {plan.labels[ref]: checkpoint.folders for ref, checkpoint in plan.checkpoints.items()}
        self.paths: tuple[tuple[Path, ...], ...] = tuple(folders[m] for m in self.models)
        self.names = tuple(t.name for t in tensors)
        self.counts = np.array([t.count for t in tensors], dtype=np.int64)
        self.tally = tally
        self._places = [(t.layer, t.kind) for t in tensors]

    @cached_property
    def rows(self) -> dict[str, int]:
        """Each tensor's place in the arrays, by name."""
        return {name: i for i, name in enumerate(self.names)}

    @cached_property
    def table(self) -> pd.DataFrame:
        """One row per tensor.

        tensor, layer, kind, parameters and ``norm`` (of the base); for each model ``change[model]`` = ‖δ‖/‖B‖,
        ``cosine[model]`` to the base and ``unchanged[model]``, the share of elements equal to the base's; for each pair
        ``cosine[a, b]`` of the task vectors and ``agreement[a, b]``, the share of equal signs where both changed.
        """
        layers, kinds = zip(*self._places, strict=True)
        table = {"tensor": self.names, "layer": layers, "kind": kinds, "parameters": self.counts}
        table |= {"norm": np.sqrt(self.tally.gram[:, 0, 0])}
        table |= dict(_columns(self.models[1:], self.counts, self.tally.gram, self.tally.same, self.tally.opposite))
        return pd.DataFrame(table).astype({"layer": "Int64"})

    @cached_property
    def summary(self) -> pd.Series:
        """The columns of `table` for the models as a whole."""
        sums = (x.sum(0, keepdims=True) for x in (self.counts, self.tally.gram, self.tally.same, self.tally.opposite))
        return pd.Series({name: float(x[0]) for name, x in _columns(self.models[1:], *sums)})

    def predict(self, recipe: RecipeLike) -> Changes:
        """Predict the distance of a merge of these models from each parent, without reading a weight.

        Exact for combinations (methods whose result is a weighted sum), up to the rounding of the result's dtype.

        Parameters
        ----------
        recipe : Recipe, Plan, or anything that `Recipe.load` reads
            A merge of measured models, in any number and order.

        Raises
        ------
        PredictionError
            When any tensor does not follow from the sums; it names reasons and tensors.
        """
        return predict(self, make_plan(recipe))

    def can_predict(self, recipe: RecipeLike) -> bool:
        """Whether `predict` has an answer."""
        return not trace(self, make_plan(recipe)).obstacles

    def kept_mass(self, model: str, density: float) -> pd.DataFrame:
        """Share of a model's changes, by Σ|δ|, that is kept when the largest are kept and the rest is trimmed.

        Parameters
        ----------
        model : str
            One of `models`, not the base.
        density : float
            Share of the elements of each tensor that is kept.

        Returns
        -------
        DataFrame
            One row per tensor: tensor, and `low` and `high` that the share is sure to lie between. They are equal where the
            cut falls between two bins of the histogram, and seldom more than a few percent apart elsewhere. Missing
            where nothing changed. ``.attrs["total"]`` has both for the whole model.
        """
        return kept_mass(self, model, density)

    def gram(self, tensor: TensorPlan) -> np.ndarray | None:
        """The Gram matrix over [W₀, W₁−W₀, …] of a tensor's inputs, None where they were not measured.

        For `nbmerge.virtual`, whose angles then need no look at the weights. float64, shape (inputs, inputs).
        """
        return gram_of(self, tensor)

    def __repr__(self) -> str:
        return f"<Statistics: {', '.join(self.models[1:])} against {self.models[0]}, {len(self.names)} tensors>"


def _columns(
    models: Sequence[str], counts: np.ndarray, gram: np.ndarray, same: np.ndarray, opposite: np.ndarray
) -> Iterator[tuple[str, np.ndarray]]:
    """The columns of `Statistics.table` that belong to models and pairs."""
    base = gram[:, 0, 0]
    with np.errstate(all="ignore"):
        for i, model in enumerate(models):
            delta, product = gram[:, i + 1, i + 1], gram[:, 0, i + 1]
            yield f"change[{model}]", np.where(delta == 0, 0.0, np.sqrt(delta / base))
            yield f"cosine[{model}]", (base + product) / np.sqrt(base * (base + 2 * product + delta))
            yield f"unchanged[{model}]", 1 - same[:, i, i] / counts
        for (i, a), (j, b) in combinations(enumerate(models), 2):
            yield f"cosine[{a}, {b}]", gram[:, i + 1, j + 1] / np.sqrt(gram[:, i + 1, i + 1] * gram[:, j + 1, j + 1])
            yield f"agreement[{a}, {b}]", same[:, i, j] / (same[:, i, j] + opposite[:, i, j])
