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

SMALL = 1 << 17
"""Elements up to which all are candidates, without a bracket."""
SAMPLE = 1 << 16
MARGIN = 0.012
"""Half the bracket, as a share of the elements: six standard deviations of a rank in the sample."""
MOST_HELD = 1 << 21
"""Candidates that are collected at most (8 MiB of float32)."""


@dataclass(frozen=True, slots=True)
class Cut:
    """Keeps all magnitudes above `threshold` and the first few of those equal to it.

    Parameters
    ----------
    threshold : float
        The k-th largest magnitude.
    ties : int
        How many elements equal to it are kept, those of lower index first.
    ties_up_to : dict of int to (int, int), optional
        Number of such elements before and behind each block, by the block's start; None where all of them are kept.
    """

    threshold: float
    ties: int
    ties_up_to: dict[int, tuple[int, int]] | None

    def apply(self, delta: torch.Tensor, start: int) -> torch.Tensor:
        """A copy with what is cut set to zero. `start` is the block's first element."""
        if self.threshold == np.inf:
            return delta.new_zeros(delta.shape)  # hardshrink lets a NaN through
        before, behind = self.ties_up_to[start] if self.ties_up_to is not None else (0, 0)
        if self.ties_up_to is not None and before >= self.ties:
            return delta.hardshrink(self.threshold)
        kept = delta.hardshrink(_just_below(self.threshold, delta.element_size()))
        if behind > self.ties and behind > before:
            equal = delta.abs().eq(self.threshold).numpy()
            kept[np.flatnonzero(equal)[self.ties - before :]] = 0
        return kept


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
        return Cut(np.inf, 0, {start: (0, 0) for start, _ in blocks()})
    low, high = (-np.inf, np.inf) if count <= SMALL else _bracket(blocks, count, k)
    return _within(blocks, low, high, k) or _at(blocks, _by_bits(blocks, k), k)


def _within(blocks: Blocks, low: float, high: float, k: int) -> Cut | None:
    """The cut, if the k-th largest value lies in [low, high] and not too many others do."""
    above, held, inside = 0, 0, []
    for start, values in blocks():
        above += int(np.count_nonzero(values > high))
        caught = values[(values >= low) & (values <= high)]
        inside.append((start, caught))
        held += caught.size
        if held > MOST_HELD:
            return None
    left = k - above
    if not 1 <= left <= held:
        return None
    values = np.concatenate([v for _, v in inside])
    return _at(lambda: iter(inside), float(np.partition(values, held - left)[held - left]), left)


def _at(blocks: Blocks, threshold: float, k: int) -> Cut:
    """The cut at a known k-th largest value: counts what equals it."""
    above = equal = 0
    ties_up_to = {}
    for start, values in blocks():
        above += int(np.count_nonzero(values > threshold))
        before, equal = equal, equal + int(np.count_nonzero(values == threshold))
        ties_up_to[start] = (before, equal)
    ties = k - above
    return Cut(threshold, ties, None if ties == equal else ties_up_to)


def _bracket(blocks: Blocks, count: int, k: int) -> tuple[float, float]:
    """Values that the k-th largest lies between, most likely, from a sample spread over the tensor."""
    stride = max(1, count // SAMPLE) | 1
    sample = np.concatenate([v[-start % stride :: stride] for start, v in blocks()])
    rank, margin = sample.size * (1 - k / count), sample.size * MARGIN
    ends = np.clip([rank - margin, rank + margin], 0, sample.size - 1).astype(int)
    sample.partition(ends)
    return float(sample[ends[0]]), float(sample[ends[1]])


def _just_below(value: float, itemsize: int) -> float:
    """The next smaller number in float32 (itemsize 4) or float64 (8)."""
    kind = np.float32 if itemsize == 4 else np.float64
    return float(np.nextafter(kind(value), kind(-np.inf)))


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
