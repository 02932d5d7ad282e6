"""The k largest magnitudes of a tensor that is read block by block, exactly and without sorting it.

A sample brackets the k-th largest value; one pass counts what lies above and collects the few inside the bracket.
Where the bracket catches too much (many equal values) or misses, bits are fixed from the top in passes of a histogram.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch

Blocks = Callable[[], Iterator[tuple[int, np.ndarray]]]
"""Gives (start, magnitudes) for one block after another, from the beginning at every call."""

SMALL = 1 << 21
"""Elements up to which everything is collected at once (8 MiB of float32)."""
SAMPLE = 1 << 18
MARGIN = 0.006
"""Half the bracket, as a share of the elements: six standard deviations of a rank in the sample."""


@dataclass(frozen=True, slots=True)
class Cut:
    """Keeps all magnitudes above `threshold` and the first few of those equal to it.

    Parameters
    ----------
    threshold : float
        The k-th largest magnitude.
    ties : int
        How many elements equal to it are kept, those of lower index first.
    ties_before : dict of int to int, optional
        Number of such elements before each block, by the block's start; None where all of them are kept.
    """

    threshold: float
    ties: int
    ties_before: dict[int, int] | None

    def apply_(self, delta: torch.Tensor, start: int) -> torch.Tensor:
        """Set what is cut to zero, in place. `start` is the block's first element."""
        magnitude = delta.abs()
        drop = magnitude.lt(self.threshold)
        if self.ties_before is not None:
            equal = magnitude.eq(self.threshold)
            late = equal.long().cumsum(0).gt(self.ties - self.ties_before[start])
            drop.logical_or_(equal.logical_and_(late))
        return delta.masked_fill_(drop, 0.0)


def largest(blocks: Blocks, count: int, k: int) -> Cut:
    """Where to cut so that exactly the k largest of `count` magnitudes remain.

    Equal magnitudes are kept in the order of their flat index, so that the result is one and the same everywhere.

    Parameters
    ----------
    blocks : callable
        See `Blocks`.
    count, k : int
        0 <= k < count.
    """
    if k <= 0:
        return Cut(np.inf, 0, None)
    threshold = _collected(blocks, k) if count <= SMALL else _bracketed(blocks, count, k)
    if threshold is None:
        threshold = _by_bits(blocks, k)
    above = equal = 0
    ties_before = {}
    for start, values in blocks():
        ties_before[start] = equal
        above += int(np.count_nonzero(values > threshold))
        equal += int(np.count_nonzero(values == threshold))
    ties = k - above
    return Cut(float(threshold), ties, None if ties == equal else ties_before)


def _collected(blocks: Blocks, k: int) -> float:
    values = np.concatenate([v.copy() for _, v in blocks()])
    return float(np.partition(values, values.size - k)[values.size - k])


def _bracketed(blocks: Blocks, count: int, k: int) -> float | None:
    stride = max(1, count // SAMPLE) | 1
    sample = np.sort(np.concatenate([v[start % stride :: stride].copy() for start, v in blocks()]))
    rank = sample.size * (1 - k / count)
    low = sample[int(np.clip(rank - MARGIN * sample.size, 0, sample.size - 1))]
    high = sample[int(np.clip(rank + MARGIN * sample.size, 0, sample.size - 1))]
    above, inside, held = 0, [], 0
    for _, values in blocks():
        above += int(np.count_nonzero(values > high))
        caught = values[(values >= low) & (values <= high)]
        inside.append(caught)
        held += caught.size
        if held > SMALL:
            return None
    left = k - above
    if not 1 <= left <= held:
        return None
    values = np.concatenate(inside)
    return float(np.partition(values, held - left)[held - left])


def _by_bits(blocks: Blocks, k: int) -> float:
    """Fix the k-th largest value's bits from the top; non-negative floats are ordered as their bit patterns are."""
    first = next(iter(blocks()))[1]
    integer, width = (np.uint64, 64) if first.dtype == np.float64 else (np.uint32, 32)
    step, prefix, left = 16, 0, k
    for shift in range(width - step, -1, -step):
        histogram = np.zeros(1 << step, dtype=np.int64)
        for _, values in blocks():
            bits = np.ascontiguousarray(values).view(integer)
            match = bits if shift == width - step else bits[(bits >> np.array(shift + step, integer)) == prefix]
            digit = (match >> np.array(shift, integer)).astype(np.int64) & ((1 << step) - 1)
            histogram += np.bincount(digit, minlength=1 << step)
        from_top = np.cumsum(histogram[::-1])
        place = int(np.searchsorted(from_top, left))
        left -= int(from_top[place - 1]) if place else 0
        prefix = (prefix << step) | ((1 << step) - 1 - place)
    return float(np.array([prefix], dtype=integer).view(first.dtype)[0])
