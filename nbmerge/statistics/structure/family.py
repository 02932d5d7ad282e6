"""How models are related, by their weights alone: a common ancestor, identical tensors, and merges of the others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd

from nbmerge.errors import ArgumentError
from nbmerge.presentation import Displayed, draw
from nbmerge.statistics.rounding import rounding_energy
from nbmerge.statistics.statistics import Statistics
from nbmerge.statistics.survey import Model, measure_models

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from nbmerge.typing import ProgressLike, StopSignal

UNRELATED, FAR = 0.3, 0.9
"""Cosines of the matrices in layers: below the first, models were trained from different starts; below the second, long apart."""
ROUNDING = 4.0
"""How many times the expected squared rounding error may remain for a tensor to count as a weighted sum."""
INFORMATIVE = 25.0
"""How many times that error a tensor must differ from every other model's to tell anything."""
NOISE = 1e-6
"""Error of sums of products that were computed in float32, relative to them."""
MOST_PARAMETERS = 0.9
"""Share of the parameters of informative tensors that must be weighted sums for a model to count as a merge."""
UNEVEN = 0.02
"""Standard deviation of a coefficient over tensors from which on it is said to differ."""


@dataclass(frozen=True)
class Finding:
    """A finding about models from their weights.

    Parameters
    ----------
    kind : str
        "unrelated", "far", "identical", "shared" or "merge".
    models : tuple of str
        The models that it is about; of a merge, the merge first.
    text : str
        A sentence.
    coefficients : tuple of float
        Of a merge: of each of the other models, mean over the parameters.
    """

    kind: Literal["unrelated", "far", "identical", "shared", "merge"]
    models: tuple[str, ...]
    text: str
    coefficients: tuple[float, ...] = ()


class Family(Displayed):
    """How models are related; the result of `check_family`.

    Attributes
    ----------
    models : tuple of str
    statistics : Statistics
        The sums that everything follows from, with the first model in the place of the base.
    """

    def __init__(self, statistics: Statistics):
        self.statistics = statistics
        self.models = statistics.models

    @cached_property
    def table(self) -> pd.DataFrame:
        """One row for each pair of models.

        first, second; ``cosine`` between their matrices in layers; ``distance`` between all weights, relative to the mean norm;
        ``equal``, the share of elements with the same value; ``identical``, the number of tensors in which all have.
        """
        rows = [self._pair(i, j) for i, j in combinations(range(len(self.models)), 2)]
        return pd.DataFrame(rows, columns=["first", "second", "cosine", "distance", "equal", "identical"])

    @cached_property
    def cosines(self) -> pd.DataFrame:
        """Cosines between the matrices in layers: models × models."""
        frame = pd.DataFrame(np.eye(len(self.models)), self.models, self.models)
        for row in self.table.itertuples():
            frame.loc[row.first, row.second] = frame.loc[row.second, row.first] = row.cosine
        return frame

    @cached_property
    def findings(self) -> tuple[Finding, ...]:
        """What was found, the most important first."""
        return (*self._about_ancestors(), *self._about_merges(), *self._about_equality())

    @property
    def share_ancestor(self) -> bool:
        """Whether no two models were trained from different starts."""
        return not any(f.kind == "unrelated" for f in self.findings)

    def plot(
        self, *, theme: Literal["auto", "light", "dark"] = "auto", width: float = 20 / 3, font_size: float = 9.0
    ) -> Figure:
        """Plot the cosines of all pairs as a matrix.

        Parameters
        ----------
        theme, width, font_size
            As in `Recipe.plot`.
        """
        return draw("family", self, theme=theme, width=width, font_size=font_size)

    @cached_property
    def _grams(self) -> np.ndarray:
        """Inner products of the models' differences from the first, shape (tensors, models, models); its own are 0."""
        grams = self.statistics.tally.gram.copy()
        grams[:, 0, :] = grams[:, :, 0] = 0
        return grams

    @cached_property
    def _equal(self) -> np.ndarray:
        """Elements with the same value, shape (tensors, models, models)."""
        tally, counts = self.statistics.tally, self.statistics.counts.astype(float)
        equal = np.zeros_like(tally.gram)
        equal[:, 1:, 1:] = tally.equal
        changed = np.diagonal(tally.same, axis1=1, axis2=2)
        equal[:, 0, 1:] = equal[:, 1:, 0] = counts[:, None] - changed
        equal[:, 0, 0] = counts
        return equal

    @cached_property
    def _noise(self) -> np.ndarray:
        """Expected squared rounding errors, shape (tensors, models)."""
        first = rounding_energy(self.statistics.tally, [(d[0], d[0]) for d in self.statistics.dtypes])
        return np.concatenate([first, rounding_energy(self.statistics.tally, self.statistics.dtypes)], axis=1)

    def _pair(self, i: int, j: int) -> tuple[str, str, float, float, float, int]:
        statistics = self.statistics
        inside = statistics.table["kind"].isin(["attention", "mlp"]).to_numpy()
        chosen = inside if inside.any() else np.ones(len(inside), dtype=bool)
        product, one, other = (
            self._products(statistics.tally.gram[chosen].sum(0), *pair) for pair in ((i, j), (i, i), (j, j))
        )
        whole = statistics.tally.gram.sum(0)
        norms = [np.sqrt(max(self._products(whole, k, k), 0.0)) for k in (i, j)]
        apart = max(self._squared_distance(self._grams.sum(0), i, j), 0.0)
        equal = self._equal[:, i, j]
        with np.errstate(all="ignore"):
            cosine, distance = product / np.sqrt(one * other), np.sqrt(apart) / np.mean(norms)
        identical = int((equal == statistics.counts).sum())
        return self.models[i], self.models[j], cosine, distance, equal.sum() / statistics.counts.sum(), identical

    @staticmethod
    def _products(gram: np.ndarray, i: int, j: int) -> float:
        """⟨Wᵢ, Wⱼ⟩ from the Gram matrix over [W₀, W₁−W₀, …]."""
        one, other = (np.eye(len(gram))[0] + (np.eye(len(gram))[k] if k else 0) for k in (i, j))
        return float(one @ gram @ other)

    @staticmethod
    def _squared_distance(gram: np.ndarray, i: int, j: int) -> float:
        return float(gram[i, i] + gram[j, j] - 2 * gram[i, j])

    def _about_ancestors(self) -> Iterator[Finding]:
        for row in self.table.itertuples():
            pair = (row.first, row.second)
            if row.cosine < UNRELATED:
                yield Finding(
                    "unrelated", pair, f"{row.first} and {row.second} have no common ancestor: the cosine between their "
                    f"weights is {row.cosine:.2f}. A merge of them is unlikely to work."
                )  # fmt: skip
            elif row.cosine < FAR:
                yield Finding(
                    "far", pair, f"{row.first} and {row.second} were trained apart for long: the cosine between their weights "
                    f"is {row.cosine:.2f}. Merge them with low weights first."
                )  # fmt: skip

    def _about_equality(self) -> Iterator[Finding]:
        count = len(self.statistics.names)
        for row in self.table.itertuples():
            pair = (row.first, row.second)
            if row.identical == count:
                yield Finding("identical", pair, f"{row.first} and {row.second} have the same weights.")
            elif row.identical:
                yield Finding(
                    "shared", pair, f"{row.first} and {row.second} have {row.identical} identical tensors of {count}."
                )  # fmt: skip

    def _about_merges(self) -> Iterator[Finding]:
        found = [f for i in range(len(self.models)) if (f := self._explain(i)) is not None]
        if found:  # if M is a weighted sum of A and B, so is A one of M and B, but with larger coefficients
            yield min(found, key=lambda f: float(np.square(f.coefficients).sum()))

    def _explain(self, i: int) -> Finding | None:
        """A model as a weighted sum of the others, if it is one in most of its tensors."""
        others = [j for j in range(len(self.models)) if j != i]
        if len(others) < 2:
            return None
        informative, explained, rows, sizes = 0, 0, [], []
        for t, count in enumerate(self.statistics.counts.tolist()):
            noise = self._noise[t, i] + NOISE * float(np.diagonal(self._grams[t]).max())
            if count < 10 * len(others) or self._nearest(t, i, others) <= INFORMATIVE * noise:
                continue
            informative += count
            coefficients, rest = _fit(self.statistics.tally.gram[t], i, others)
            if rest <= ROUNDING * noise:
                explained += count
                rows.append(coefficients)
                sizes.append(count)
        if not informative or explained < MOST_PARAMETERS * informative:
            return None
        mean = np.average(rows, axis=0, weights=sizes)
        spread = np.sqrt(np.average((np.array(rows) - mean) ** 2, axis=0, weights=sizes))
        terms = ", ".join(f"{self.models[j]} × {c:.2f}" for j, c in zip(others, mean, strict=True) if abs(c) > 0.005)
        uneven = ", on average; the weights differ between tensors" if spread.max() > UNEVEN else ""
        text = f"{self.models[i]} is a weighted sum of the other models: {terms}{uneven}."
        return Finding("merge", (self.models[i], *(self.models[j] for j in others)), text, tuple(map(float, mean)))

    def _nearest(self, t: int, i: int, others: Sequence[int]) -> float:
        return min(self._squared_distance(self._grams[t], i, j) for j in others)

    def __repr__(self) -> str:
        return f"<Family: {', '.join(self.models)}; {' '.join(f.text for f in self.findings) or 'fine-tunes of one model.'}>"


def check_family(
    *models: Model,
    progress: ProgressLike = None,
    cancel: StopSignal | None = None,
    threads: int | None = None,
    cache: bool | str | Path = True,
) -> Family:
    """Find out how models are related, by their weights: whether they can be merged, and whether one is a merge already.

    The weights are read once, see `measure_models`.

    Parameters
    ----------
    *models : path, Hub id in the local cache, or ModelRef
        At least two, in any order; their base may be among them.
    progress, cancel, threads, cache
        As in `measure_models`.

    Raises
    ------
    ArgumentError
        For fewer than two models.
    CheckpointError
        When models cannot be read or do not fit each other.
    MergeStopped
        When `cancel` was set.

    Notes
    -----
    Merges are found that are weighted sums of other given models, tensor by tensor: linear, slerp, task arithmetic, with gradients or
    without. Methods that trim or draw masks leave no such trace.

    Examples
    --------
    >>> import nbmerge as nbm
    >>> family = nbm.demo.family()
    >>> nbm.check_family(family.base, *family.experts.values(), progress=False).share_ancestor
    True
    """
    if len(models) < 2:
        raise ArgumentError("A family has at least two models. Name two or more.")
    return Family(measure_models(*models, progress=progress, cancel=cancel, threads=threads, cache=cache))


def _fit(gram: np.ndarray, i: int, others: Sequence[int]) -> tuple[np.ndarray, float]:
    """Coefficients of the weighted sum of the others that is closest to a model, and its squared distance.

    `gram` is over [W₀, W₁−W₀, …]. Differences from one of the others keep the digits that the models have in common out of the sums.
    """
    anchor, *rest = others
    differences = np.eye(len(gram))
    differences[0] = 0  # of each model from the first
    turn = np.array([differences[i] - differences[anchor], *(differences[j] - differences[anchor] for j in rest)])
    turn = np.vstack(
        [turn, np.eye(len(gram))[0] + differences[anchor]]
    )  # and the anchor itself, as sums of slerp exceed 1
    products = turn @ gram @ turn.T
    scale = np.sqrt(np.maximum(np.diagonal(products)[1:], np.finfo(float).tiny))
    unit = products[1:, 1:] / np.outer(scale, scale)
    *coefficients, more = np.linalg.lstsq(unit, products[1:, 0] / scale, rcond=1e-9)[0] / scale
    row = np.array([1.0, *(-c for c in coefficients), -more])
    distance = float(row @ products @ row)
    return np.array([1.0 + more - sum(coefficients), *coefficients]), max(distance, 0.0)
