"""The k largest magnitudes of a tensor that is read block by block, exactly and without sorting it.

A sample brackets the k-th largest value. One pass counts what lies above the bracket and collects the few inside. Where many
elements share a value, as differences of bfloat16 numbers do, the frequent ones are counted instead of collected; and nothing is
collected where the k-th largest is almost certainly a frequent one.
Where the bracket catches too much or misses, bits are fixed from the top in passes of a histogram.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch

    from nbmerge.methods.framework.input_blocks import InputBlocks

Blocks = Callable[[], Iterator[tuple[int, np.ndarray]]]
"""Gives (start, magnitudes) for one block after another, from the beginning at every call."""

SMALL = 1 << 17
"""Elements up to which all are candidates, without a bracket."""
SAMPLE = 1 << 16
MARGIN = 0.012
"""Half the bracket, as a share of the elements: six standard deviations of a rank in the sample."""
NEAR = 0.006
"""Half the part of the bracket in which the value almost certainly is: three standard deviations."""
SHARED = 1 / 512
"""Share of the sample from which on a value is counted instead of collected: a standard deviation of a rank."""
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

    def holds(self) -> bool:
        """Whether the threshold really is the k-th largest value."""
        equal = self.ties if self.ties_up_to is None else max(behind for _, behind in self.ties_up_to.values())
        return 1 <= self.ties <= equal

    def apply(self, delta: torch.Tensor, start: int) -> torch.Tensor:
        """A copy with what is cut set to zero. `start` is the block's first element."""
        if self.threshold == np.inf:
            return delta.new_zeros(delta.shape)  # hardshrink lets a NaN through
        ties = self.count_ties(start)
        if ties == 0:
            return delta.hardshrink(self.threshold)
        kept = delta.hardshrink(_just_below(self.threshold, delta.element_size()))
        if ties is not None:
            kept[delta.abs().eq(self.threshold).nonzero()[ties:, 0]] = 0
        return kept

    def count_ties(self, start: int) -> int | None:
        """How many of a block's elements equal to the threshold are kept; None for all of them."""
        if self.ties_up_to is None:
            return None
        before, behind = self.ties_up_to[start]
        return None if behind <= self.ties else max(0, self.ties - before)


class Comparison:
    """Counts what is larger than some values, and what equals them, in one pass.

    Parameters
    ----------
    values : sequence of float
    """

    is_full = False

    def __init__(self, values: Sequence[float]):
        self.values = tuple(values)
        self.counted = [_Counted(v) for v in values]

    def measure(self, start: int, magnitudes: np.ndarray) -> None:
        """Count in the block that begins at `start`."""
        counts = [(np.count_nonzero(magnitudes > v), np.count_nonzero(magnitudes == v)) for v in self.values]
        self.take(start, [(int(above), int(equal)) for above, equal in counts])

    def take(self, start: int, counts: Sequence[Sequence[int]]) -> None:
        """Add a block's numbers of magnitudes above each value and equal to it."""
        for counted, (above, equal) in zip(self.counted, counts, strict=True):
            counted.take(start, above, equal)


class Collection:
    """Collects what lies in an interval, except some values, which are counted, in one pass.

    Parameters
    ----------
    low, high : float
        Both are inside.
    values : sequence of float
        Frequent values in the interval.
    """

    def __init__(self, low: float, high: float, values: Sequence[float] = ()):
        self.low, self.high = low, high
        self.frequent = Comparison(values)
        self.above = self.held = 0
        self.inside: list[tuple[int, np.ndarray]] = []

    @property
    def is_too_large(self) -> bool:
        """Whether there is too much inside; the rest need not be collected."""
        return self.held > MOST_HELD

    @property
    def is_full(self) -> bool:
        """Whether the rest need not be looked at."""
        return self.is_too_large and not self.frequent.values

    def measure(self, start: int, magnitudes: np.ndarray) -> None:
        """Collect from the block that begins at `start`."""
        self.frequent.measure(start, magnitudes)
        if self.is_too_large:
            return
        inside = magnitudes[(magnitudes >= self.low) & (magnitudes <= self.high)]
        for value in self.frequent.values:
            inside = inside[inside != value]
        self.take(start, int(np.count_nonzero(magnitudes > self.high)), inside)

    def take(self, start: int, above: int, inside: np.ndarray) -> None:
        """Add a block's number of magnitudes above the interval, and those inside without the frequent ones."""
        self.above += above
        self.held += inside.size
        self.inside.append((start, inside))

    def find(self, k: int) -> Cut | None:
        """The cut, if the k-th largest value is frequent, or in the interval with not too many others."""
        for one in self.frequent.counted:
            if (cut := one.cut(k)).holds():
                return cut
        left = k - self.above - sum(one.equal for one in self.frequent.counted if one.above + one.equal < k)
        if self.is_too_large or not 1 <= left <= self.held:
            return None
        values = np.concatenate([v for _, v in self.inside])
        found = _Counted(float(np.partition(values, self.held - left)[self.held - left]))
        for start, inside in self.inside:
            found.take(start, int(np.count_nonzero(inside > found.value)), int(np.count_nonzero(inside == found.value)))
        return found.cut(left)


Request = Comparison | Collection
"""What a search needs to know: it is filled in one pass over all blocks, until it is full."""
Search = Generator[Request, None, "Cut"]


def largest(blocks: Blocks, count: int, k: int, sample: Callable[[], np.ndarray] | None = None) -> Cut:
    """Where to cut so that exactly the k largest of `count` magnitudes remain.

    Equal magnitudes are kept in the order of their flat index, so that the result is one and the same everywhere.

    Parameters
    ----------
    blocks : callable
        See `Blocks`.
    count, k : int
        0 <= k < count.
    sample : callable, optional
        Gives some of the magnitudes, from all over the tensor, faster than a pass does.
    """

    def survey(requests: Sequence[tuple[int, Request]]) -> None:
        for start, magnitudes in blocks():
            for _, request in requests:
                request.measure(start, magnitudes)

    return _run([(0, _search(blocks, count, k, sample))], survey)[0]


def cuts(tensors: InputBlocks, wanted: Sequence[tuple[int, int]]) -> list[Cut]:
    """Where to cut so that the k largest elements of an input's task vector remain, for several inputs at once.

    Parameters
    ----------
    tensors : InputBlocks
    wanted : sequence of (int, int)
        Inputs and how many of their elements remain.
    """

    def search(i: int, k: int) -> Search:
        return _search(lambda: tensors.magnitudes(i), tensors.count, k, lambda: tensors.sample_magnitudes(i))

    return _run([(i, search(i, k)) for i, k in wanted], tensors.survey)


def _run(searches: Sequence[tuple[int, Search]], survey: Callable[[Sequence[tuple[int, Request]]], None]) -> list[Cut]:
    """Run searches side by side: one pass answers what all of them ask next."""
    found: dict[int, Cut] = {}
    while len(found) < len(searches):
        requests: list[tuple[int, Request]] = []
        for n, (i, search) in enumerate(searches):
            if n in found:
                continue
            try:
                requests.append((i, next(search)))
            except StopIteration as stop:
                found[n] = stop.value
        if requests:
            survey(requests)
    return [found[n] for n in range(len(searches))]


def _search(blocks: Blocks, count: int, k: int, sample: Callable[[], np.ndarray] | None) -> Search:
    """Find a cut, see `largest`."""
    if k <= 0:
        return Cut(np.inf, 0, {start: (0, 0) for start, _ in blocks()})
    if count <= SMALL:
        found = yield from _within(-np.inf, np.inf, k)
        return found or (yield from _at(find_by_bits(blocks, k), k))
    for some in (sample, lambda: spread_sample(blocks, count)):
        if some is not None and (cut := (yield from _guessed(np.sort(some()), 1 - k / count, k))):
            return cut
    return (yield from _at(find_by_bits(blocks, k), k))


def _guessed(sample: np.ndarray, rank: float, k: int) -> Generator[Request, None, Cut | None]:
    """The cut, if a sorted sample is precise enough to find it: `rank` is the place in [0, 1] of the k-th largest."""
    places = [int(np.clip(sample.size * (rank + x), 0, sample.size - 1)) for x in (-MARGIN, -NEAR, NEAR, MARGIN)]
    low, near, up_to, high = (float(sample[place]) for place in places)
    values = np.unique(sample[places[0] : places[-1] + 1])
    counts = np.searchsorted(sample, values, "right") - np.searchsorted(sample, values, "left")
    is_frequent, is_near = counts >= SHARED * sample.size, (values >= near) & (values <= up_to)
    if is_frequent[is_near].all():
        tried = Comparison(values[is_near].tolist())
        yield tried
        if right := [cut for one in tried.counted if (cut := one.cut(k)).holds()]:
            return right[0]
    return (yield from _within(low, high, k, values[is_frequent].tolist()))


def _within(low: float, high: float, k: int, frequent: Sequence[float] = ()) -> Generator[Request, None, Cut | None]:
    """The cut, if the k-th largest value lies in [low, high]."""
    found = Collection(low, high, frequent)
    yield found
    return found.find(k)


def _at(threshold: float, k: int) -> Search:
    """The cut at the k-th largest value."""
    found = Comparison([threshold])
    yield found
    return found.counted[0].cut(k)


class _Counted:
    """Adds up what is larger than a value, and what equals it."""

    def __init__(self, value: float):
        self.value = value
        self.above = self.equal = 0
        self.ties_up_to: dict[int, tuple[int, int]] = {}

    def take(self, start: int, above: int, equal: int) -> None:
        self.above += above
        before, self.equal = self.equal, self.equal + equal
        self.ties_up_to[start] = (before, self.equal)

    def cut(self, k: int) -> Cut:
        ties = k - self.above
        return Cut(self.value, ties, None if ties == self.equal else self.ties_up_to)


def spread_sample(blocks: Blocks, count: int) -> np.ndarray:
    """A sample spread over the tensor."""
    return np.concatenate([spread(v, start, count) for start, v in blocks()])


def spread(values: np.ndarray, start: int, count: int) -> np.ndarray:
    """The part in the block that begins at `start` of a sample that is spread over `count` elements."""
    stride = max(1, count // SAMPLE) | 1
    return values[-start % stride :: stride].copy()  # a view would keep the whole block in memory


def _just_below(value: float, itemsize: int) -> float:
    """The next smaller number in float32 (itemsize 4) or float64 (8)."""
    kind = np.float32 if itemsize == 4 else np.float64
    return float(np.nextafter(kind(value), kind(-np.inf)))


def find_by_bits(blocks: Blocks, k: int) -> float:
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
