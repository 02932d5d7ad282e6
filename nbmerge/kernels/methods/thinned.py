"""TIES, DARE and breadcrumbs by compiled loops: what their mix functions do with a block, as arguments of one loop."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import torch

from nbmerge.kernels.counting import build_search
from nbmerge.kernels.masks import MaskStream
from nbmerge.kernels.methods.task_vectors import (
    BY_POSITIVE_SHARE,
    BY_SHARE,
    ELECT_BY_COUNT,
    ELECT_BY_SUM,
    PLAIN,
    SUM,
    build,
)
from nbmerge.kernels.operands import Fused, Layout, locate
from nbmerge.methods import Values
from nbmerge.methods.numerics import Cut
from nbmerge.methods.numerics.sign_election import ALMOST_ZERO
from nbmerge.methods.task_arithmetic import divisor

Mask = Callable[[int, int], np.ndarray]
"""``(start, count)``: bytes, 1 for elements that are kept and 0 for others."""
NOTHING, EVERYTHING = -1.0, np.inf
"""Magnitudes up to which nothing, or everything, is dropped."""


@dataclass(frozen=True)
class Thinning:
    """How one task vector is thinned out.

    Parameters
    ----------
    small : Cut, optional
        What is kept; everything by default.
    outliers : Cut, optional
        What is subtracted from that.
    mask : callable, optional
        See `Mask`.
    factor : float
        What the rest is multiplied by.
    """

    factor: float
    small: Cut | None = None
    outliers: Cut | None = None
    mask: Mask | None = None


@dataclass(frozen=True)
class Combining:
    """How thinned task vectors are combined.

    Parameters
    ----------
    scale : float
        Factor on what is added to the base.
    combine, divide : int
        See `nbmerge.kernels.methods.task_vectors`.
    weights : sequence of float
        Of the models, for elected sums that are divided by them.
    """

    scale: float
    combine: int = SUM
    divide: int = PLAIN
    weights: Sequence[float] = ()

    @classmethod
    def by_election(cls, values: Values, consensus: str = "sum") -> Combining:
        """Elected signs, as `sign_election.elect` merges."""
        weights = values.each["weight"][1:]
        divide = PLAIN if not values["normalize"] else BY_POSITIVE_SHARE if min(weights) > ALMOST_ZERO else BY_SHARE
        return cls(values["lambda"], ELECT_BY_COUNT if consensus == "count" else ELECT_BY_SUM, divide, weights)

    @classmethod
    def by_sum(cls, values: Values) -> Combining:
        """A sum, as `sparse.added` merges."""
        return cls(values["lambda"] / divisor(values))


Describe = Callable[[Any, Values], tuple[list[Thinning], Combining]]
"""``(state, values)``: how task vectors are thinned out and combined."""


class ThinnedMix:
    """Merges blocks of a base and models.

    Parameters
    ----------
    thinnings : sequence of Thinning
        One for each model.
    combining : Combining
    layout : Layout
    are_changes : bool
        Whether the models are given as changes that are thinned already.
    """

    def __init__(
        self, thinnings: Sequence[Thinning], combining: Combining, layout: Layout, are_changes: bool = False
    ) -> None:
        self._thinnings, self._kinds, self._scale = thinnings, layout.kinds, np.float32(combining.scale)
        self._factors = np.array([t.factor for t in thinnings], np.float32)
        self._weights = np.array(combining.weights or [0.0] * len(thinnings), np.float32)
        self._strict, self._inclusive, self._cuts = _find_bounds(thinnings)
        self._is_masked = any(t.mask for t in thinnings)
        has_outliers = any(t.outliers for t in thinnings)
        self._merge = build(
            layout.kinds,
            layout.result_kind,
            combining.combine,
            combining.divide,
            self._is_masked,
            has_outliers,
            are_changes,
        )

    def __call__(self, inputs: list[torch.Tensor], start: int, result: torch.Tensor) -> bool:
        """Merge the block that begins at `start`; whether the result is finite."""
        count, result_size = result.numel(), result.element_size()
        sizes = np.array([block.element_size() for block in inputs], np.int64)
        addresses, masks = locate(inputs), self._masks(start, count)
        places = np.array([0 if mask is None else mask.ctypes.data for mask in masks], np.int64)
        finite = True
        for first, end, cuts in self._spans(addresses, start, count):
            finite &= self._merge(
                end - first,
                addresses + first * sizes,
                result.data_ptr() + first * result_size,
                cuts,
                places + first,
                self._factors,
                self._weights,
                self._scale,
            )
        return finite

    def _masks(self, start: int, count: int) -> list[np.ndarray | None]:
        if not self._is_masked:
            return [None] * len(self._thinnings)
        return [np.ones(count, np.uint8) if t.mask is None else t.mask(start, count) for t in self._thinnings]

    def _spans(self, addresses: np.ndarray, start: int, count: int) -> Iterator[tuple[int, int, np.ndarray]]:
        """Parts of the block in which the same magnitudes are dropped, with these magnitudes (float32, shape (2, models)).

        Where only some of several equal magnitudes are kept, the block is divided after the last of them.
        """
        ends = np.zeros(self._strict.shape, np.int64)
        for place, cut in self._cuts.items():
            ends[place] = self._end_of_ties(cut, place[1], addresses, start, count)
        borders = sorted({0, count, *ends.flat})
        for first, end in pairwise(borders):
            yield first, end, np.where(first < ends, self._inclusive, self._strict)

    def _end_of_ties(self, cut: Cut, i: int, addresses: np.ndarray, start: int, count: int) -> int:
        """The end of the part of the block in which magnitudes equal to the threshold are kept."""
        left = cut.count_ties(start)
        if left is None:
            return count
        if left == 0:
            return 0
        find = build_search(self._kinds[0], self._kinds[i + 1])
        return find(count, addresses[0], addresses[i + 1], np.float32(cut.threshold), left)


def _find_bounds(thinnings: Sequence[Thinning]) -> tuple[np.ndarray, np.ndarray, dict[tuple[int, int], Cut]]:
    """What is dropped of each model: small changes in the first row, and all that are no outliers in the second.

    Returns
    -------
    (ndarray, ndarray, dict)
        The largest magnitude that is dropped where those equal to the threshold are kept, and where not (float32, shape (2,
        models)); and the cuts by their places, but those that drop everything.
    """
    strict, cuts = np.full((2, len(thinnings)), NOTHING, np.float32), dict[tuple[int, int], Cut]()
    strict[1] = EVERYTHING
    inclusive = strict.copy()
    for i, thinning in enumerate(thinnings):
        for row, cut in enumerate((thinning.small, thinning.outliers)):
            if cut is None:
                continue
            strict[row, i] = inclusive[row, i] = cut.threshold
            if cut.threshold != np.inf:
                cuts[row, i] = cut
                inclusive[row, i] = np.nextafter(strict[row, i], np.float32(-np.inf))
    return strict, inclusive, cuts


def fuse(describe: Describe, state: Any, values: Values, layout: Layout) -> Fused:
    """The loop for one tensor, with what one of the functions below returns."""
    return ThinnedMix(*describe(state, values), layout)


def ties(cuts: list[Cut | None], values: Values) -> tuple[list[Thinning], Combining]:
    """The arguments for `nbmerge.methods.ties.mix`."""
    weights = values.each["weight"][1:]
    thinnings = [Thinning(weight, small=cut) for weight, cut in zip(weights, cuts[1:], strict=True)]
    return thinnings, Combining.by_election(values, values["consensus"])


def dare_sum(factors: list[float], values: Values) -> tuple[list[Thinning], Combining]:
    """The arguments for `nbmerge.methods.dare.mix_sum`."""
    return _masked(factors, values), Combining.by_sum(values)


def dare_votes(factors: list[float], values: Values) -> tuple[list[Thinning], Combining]:
    """The arguments for `nbmerge.methods.dare.mix_votes`."""
    return _masked(factors, values), Combining.by_election(values)


def breadcrumbs_sum(cuts: list[tuple[Cut | None, Cut | None]], values: Values) -> tuple[list[Thinning], Combining]:
    """The arguments for `nbmerge.methods.breadcrumbs.mix_sum`."""
    return _middle(cuts, values), Combining.by_sum(values)


def breadcrumbs_votes(cuts: list[tuple[Cut | None, Cut | None]], values: Values) -> tuple[list[Thinning], Combining]:
    """The arguments for `nbmerge.methods.breadcrumbs.mix_votes`."""
    return _middle(cuts, values), Combining.by_election(values)


def _middle(cuts: list[tuple[Cut | None, Cut | None]], values: Values) -> list[Thinning]:
    weights = values.each["weight"]
    return [Thinning(weights[i], small=rest, outliers=top) for i, (top, rest) in enumerate(cuts) if i]


def _masked(factors: list[float], values: Values) -> list[Thinning]:
    weights, densities = values.each["weight"], values.each["density"]
    return [
        _drop(values.streams[i], densities[i], weights[i] * factors[i]) for i in range(1, len(weights))
    ]  # fmt: skip


def _drop(key: str, density: float, factor: float) -> Thinning:
    if density >= 1:
        return Thinning(factor)
    if density <= 0:
        return Thinning(factor, small=Cut(np.inf, 0, None))
    return Thinning(factor, mask=MaskStream(key, density))
