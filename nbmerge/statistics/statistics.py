"""The result of one pass: how far models are from their base and each other, and what follows for their merges."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd

from nbmerge.engine.planning import Plan, TensorPlan
from nbmerge.engine.planning import plan as make_plan
from nbmerge.errors import ArgumentError
from nbmerge.presentation import Displayed, draw
from nbmerge.statistics.distances import Changes
from nbmerge.statistics.predicted_distances import gram_of, predict, trace
from nbmerge.statistics.retention import kept_mass
from nbmerge.statistics.rounding import expect_unchanged
from nbmerge.statistics.sums import Sums
from nbmerge.statistics.tally import Tally

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from nbmerge.typing import RecipeLike

DENSITIES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
"""Densities at which kept masses are computed by default."""


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
    dtypes : tuple of tuple of str
        The dtype that each tensor is stored in, the base's first.
    depth : int
        Number of layers.
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
        self.depth = plan.depth
        self.dtypes = tuple(tuple(i.dtype for i in t.inputs) for t in tensors)
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
        ``cosine[a, b]`` of the task vectors, ``agreement[a, b]`` and ``conflict[a, b]``, the shares of equal and of opposite
        signs where both changed, and ``equal[a, b]``, the share of elements with equal values.
        ``floor[model]`` is the share of elements that would be unchanged if all had been changed by normally distributed
        amounts of the same mean square, and been rounded to the dtype of the model.
        """
        layers, kinds = zip(*self._places, strict=True)
        table = {"tensor": self.names, "layer": layers, "kind": kinds} | dict(self._sums.columns(self.models[1:]))
        return pd.DataFrame(table).astype({"layer": "Int64", "parameters": int})

    @cached_property
    def by_part(self) -> pd.DataFrame:
        """The columns of `table` for each layer and kind of tensor; outside the layers, for each role."""
        return self._grouped(self._places, ["layer", "kind"]).astype({"layer": "Int64"})

    @cached_property
    def by_layer(self) -> pd.DataFrame:
        """The columns of `table` for each layer; tensors outside the layers are left out."""
        return self._grouped([(layer,) for layer, _ in self._places], ["layer"])

    @cached_property
    def summary(self) -> pd.Series:
        """The columns of `table` for the models as a whole."""
        whole = self._sums.added(np.zeros(len(self.names), dtype=int), 1)
        return pd.Series({name: float(x[0]) for name, x in whole.columns(self.models[1:])}).drop(["parameters", "norm"])

    @cached_property
    def cosines(self) -> pd.DataFrame:
        """Cosines between the task vectors of whole models: models × models."""
        gram = self.tally.gram.sum(0)[1:, 1:]
        norms = np.sqrt(np.diagonal(gram))
        with np.errstate(all="ignore"):
            return pd.DataFrame(gram / np.outer(norms, norms), self.models[1:], self.models[1:])

    def most_changed(self, count: int = 20, model: str | None = None) -> pd.DataFrame:
        """The tensors that changed most, relative to the norm of the base's tensor.

        Parameters
        ----------
        count : int
        model : str, optional
            By default, tensors are sorted by the largest change of any model.

        Returns
        -------
        DataFrame
            tensor, layer, kind, and ``change[model]`` for each model.
        """
        names = self._require(model)
        columns = [f"change[{name}]" for name in names]
        table = self.table[["tensor", "layer", "kind", *columns]]
        order = table[columns].max(axis=1).sort_values(ascending=False, kind="stable").index
        return table.loc[order[:count]].reset_index(drop=True)

    def kept_masses(self, densities: Sequence[float] = DENSITIES) -> pd.DataFrame:
        """How much of each model's changes densities keep, over the whole model.

        Parameters
        ----------
        densities : sequence of float

        Returns
        -------
        DataFrame
            One row for each density and model: density, model, and `low` and `high` as in `kept_mass`.
        """
        rows = [
            (density, model, *self.kept_mass(model, density).attrs["total"])
            for density in densities
            for model in self.models[1:]
        ]
        return pd.DataFrame(rows, columns=["density", "model", "low", "high"])

    def plot(
        self,
        what: str = "change",
        *,
        theme: Literal["auto", "light", "dark"] = "auto",
        width: float = 20 / 3,
        font_size: float = 9.0,
    ) -> Figure:
        """Plot how the models differ from their base, and from each other.

        Parameters
        ----------
        what : str
            ``"change"``, ``"cosine"`` and ``"conflict"`` are heat maps of layers × kinds: of the size of each task vector, and
            of the cosine and the share of opposite signs of each pair. ``"cosines"`` is the matrix of all models.
            ``"unchanged"`` is the share of equal elements over the layers, with what rounding alone leaves unchanged.
            ``"kept mass"`` is drawn against the density, ``"most changed"`` lists tensors.
        theme, width, font_size
            As in `Recipe.plot`.

        Raises
        ------
        ArgumentError
            For another plot, or one that needs more models than were measured.

        Examples
        --------
        >>> import nbmerge as nbm
        >>> family = nbm.demo.family()
        >>> statistics = nbm.measure_models(family.base, *family.experts.values(), progress=False)
        >>> figure = statistics.plot("cosine")
        """
        return draw("statistics", self, what, theme=theme, width=width, font_size=font_size)

    @cached_property
    def _sums(self) -> Sums:
        tally, counts = self.tally, self.counts.astype(float)
        return Sums(counts, tally.gram, tally.same, tally.opposite, tally.equal, expect_unchanged(tally, self.dtypes))

    def _grouped(self, places: Sequence[tuple[int | str | None, ...]], names: list[str]) -> pd.DataFrame:
        keys = dict.fromkeys(place for place in places if place != (None,))
        rows = {key: i for i, key in enumerate(keys)}
        sums = self._sums.added(np.array([rows.get(place, len(rows)) for place in places]), len(rows) + 1)
        frame = pd.DataFrame(list(rows), columns=names)
        for name, values in sums.columns(self.models[1:]):
            frame[name] = values[: len(rows)]
        return frame

    def _require(self, model: str | None) -> tuple[str, ...]:
        """One measured model, or all of them."""
        if model is None:
            return self.models[1:]
        if model not in self.models[1:]:
            raise ArgumentError(
                f"{model!r} was not measured against {self.models[0]}. Measured: {', '.join(self.models[1:])}."
            )
        return (model,)

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
        self._require(model)
        return kept_mass(self, model, density)

    def gram(self, tensor: TensorPlan) -> np.ndarray | None:
        """The Gram matrix over [W₀, W₁−W₀, …] of a tensor's inputs, None where they were not measured.

        For `nbmerge.virtual`, whose angles then need no look at the weights. float64, shape (inputs, inputs).
        """
        return gram_of(self, tensor)

    def __repr__(self) -> str:
        return f"<Statistics: {', '.join(self.models[1:])} against {self.models[0]}, {len(self.names)} tensors>"
