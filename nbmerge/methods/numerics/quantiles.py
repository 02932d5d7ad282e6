"""Exact quantiles of a tensor that is read block by block."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from nbmerge.methods.numerics.selection import MARGIN, MOST_HELD, SMALL, Blocks, find_by_bits, spread_sample


def quantiles(blocks: Blocks, count: int, shares: Sequence[float]) -> list[float]:
    """Quantiles that are values of the tensor: for a share q of n values the one of rank ⌊q (n−1)⌋.

    Parameters
    ----------
    blocks : callable
        Gives non-negative values, see `selection.Blocks`.
    count : int
        Number of values, 1 or more.
    shares : sequence of float
        In [0, 1].
    """
    ranks = [math.floor(share * (count - 1)) for share in shares]
    return _ranked(blocks, count, ranks)


def _ranked(blocks: Blocks, count: int, ranks: list[int]) -> list[float]:
    """The values of these ranks, 0 being the smallest."""
    if count <= SMALL:
        values = np.concatenate([v.copy() for _, v in blocks()])
        return [float(x) for x in np.partition(values, ranks)[ranks]]
    sample = np.sort(spread_sample(blocks, count))
    brackets = [_Bracket(sample, rank, count) for rank in ranks]
    for _, values in blocks():
        for bracket in brackets:
            bracket.take(values)
    return [b.value() if b.holds() else find_by_bits(blocks, count - b.rank) for b in brackets]


class _Bracket:
    """Two values between which a rank's value is expected, and what was found below and inside."""

    def __init__(self, sample: np.ndarray, rank: int, count: int):
        middle, margin = rank / count * sample.size, MARGIN * sample.size
        self.rank = rank
        self.low = sample[int(np.clip(middle - margin, 0, sample.size - 1))]
        self.high = sample[int(np.clip(middle + margin, 0, sample.size - 1))]
        self.below = self.held = 0
        self.inside: list[np.ndarray] = []

    def take(self, values: np.ndarray) -> None:
        if self.held > MOST_HELD:  # too many equal values; bits decide
            return
        self.below += int(np.count_nonzero(values < self.low))
        self.inside.append(values[(values >= self.low) & (values <= self.high)])
        self.held += self.inside[-1].size

    def holds(self) -> bool:
        return self.held <= MOST_HELD and 0 <= self.rank - self.below < self.held

    def value(self) -> float:
        values = np.concatenate(self.inside)
        return float(np.partition(values, self.rank - self.below)[self.rank - self.below])
