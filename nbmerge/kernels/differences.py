"""The loop that counts how models differ from their base, see `nbmerge.statistics.tally`.

Numbers in a bin of the histogram have the same exponent, so that their sum is a sum of integers and does not depend on its order. One
addition counts an element and adds its mantissa: the count is in the upper bits of the sum. Neighbouring elements go into
different tables, because they are often in the same bin and would wait for each other.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np

from nbmerge.kernels.compiler import entry_point, part
from nbmerge.kernels.floats import bits_of, float_of, load

TILE = 2048
"""Elements at a time: the differences of a few models fit into the processor's first cache."""
TABLES = 4
MOST = 1 << 18
"""Elements in a block at most, so that the integers do not overflow: 18 bits of count, 18 + 24 of mantissas."""

_ONE = 1 << 44
_SIGN, _SIZE = np.uint32(0x80000000), np.uint32(0x7FFFFFFF)
_22, _23 = np.uint32(22), np.uint32(23)
_MANTISSA, _LEADING = np.uint32(0x007FFFFF), np.uint32(0x00800000)


@part
def _read_differences(base: int, own: int, first: int, stored: int, bits: np.ndarray) -> None:
    for k in range(bits.size):
        bits[k] = bits_of(load(own, first + k, stored) - load(base, first + k, stored))


@part
def _count_equal(one: int, other: int, first: int, size: int, stored: int) -> int:
    """Elements at which two models have the same number."""
    equal = np.int32(0)
    for k in range(first, first + size):
        equal = np.int32(equal + np.int32(load(one, k, stored) == load(other, k, stored)))
    return np.int64(equal)


@part
def count_changed(bits: np.ndarray) -> int:
    """Elements that are not zero."""
    changed = np.int32(0)
    for k in range(bits.size):
        changed = np.int32(changed + np.int32(bits[k] & _SIZE != 0))
    return np.int64(changed)


@part
def count_signs(one: np.ndarray, other: np.ndarray) -> tuple[int, int]:
    """Elements at which both are not zero, of the same sign and of opposite ones."""
    same, opposite = np.int32(0), np.int32(0)
    for k in range(one.size):
        both = np.int32(one[k] & _SIZE != 0) & np.int32(other[k] & _SIZE != 0)
        unlike = np.int32((one[k] ^ other[k]) >> np.uint32(31))
        opposite = np.int32(opposite + (both & unlike))
        same = np.int32(same + (both & np.int32(1 - unlike)))
    return np.int64(same), np.int64(opposite)


@part
def _find_extent(bits: np.ndarray, largest: int, inner: int, outer: int) -> tuple[int, int]:
    """The bits of the largest magnitude, and the number of those below `inner`, other than zero, and from `outer` on."""
    below, above = np.int32(0), np.int32(0)
    for k in range(bits.size):
        size = np.uint32(bits[k] & _SIZE)
        largest = size if size > largest else largest
        below = np.int32(below + np.int32((size < inner) & (size != np.uint32(0))))
        above = np.int32(above + np.int32(size >= outer))
    return largest, np.int64(below) + np.int64(above)


@part
def _find_places(bits: np.ndarray, lowest: int, last: int, places: np.ndarray) -> None:
    """Write the bin of each number; unsigned, so that no index could be one from the end."""
    for k in range(bits.size):
        place = np.int32(np.uint32(bits[k] & _SIZE) >> _22) - np.int32(lowest)
        places[k] = np.uint32(min(max(place, 0), last))


@part
def _put(bits: int, place: int, table: np.ndarray) -> None:
    table[place] += _ONE + np.int64((bits & _MANTISSA) | _LEADING)


@part
def _fill(bits: np.ndarray, places: np.ndarray, tables: np.ndarray) -> None:
    whole = bits.size // TABLES * TABLES
    for k in range(0, whole, TABLES):
        for t in range(TABLES):
            _put(bits[k + t], places[k + t], tables[t])
    for k in range(whole, bits.size):
        _put(bits[k], places[k], tables[0])


@part
def _add_outside(bits: np.ndarray, inner: int, outer: int, sums: np.ndarray) -> None:
    """Add the magnitudes in the two outer bins in order, as their exponents differ."""
    for k in range(bits.size):
        size = np.uint32(bits[k] & _SIZE)
        if size < inner:
            sums[0] += np.float64(float_of(size))
        elif size >= outer:
            sums[1] += np.float64(float_of(size))


@part
def _take_out(tables: np.ndarray, lowest: int, histogram: np.ndarray, mass: np.ndarray) -> None:
    last = histogram.size - 1
    for place in range(last + 1):
        held = tables[:, place].sum()
        histogram[place] += held >> 44
        if 0 < place < last:
            exponent = ((lowest + place) >> 1) - 127 - 23
            mass[place] += np.float64(held & (_ONE - 1)) * 2.0**exponent


@cache
def build_exponents(stored: int) -> Callable[..., None]:
    """The loop that samples exponents, see `nbmerge.statistics.tally.Tally.exponents`.

    Returns
    -------
    callable
        ``(count, address, stride, exponents)``: distributes a block's elements over `exponents` (int64), in the shares that every
        `stride`-th element has.
    """

    @entry_point("void(int64, int64, int64, int64[::1])")
    def add_exponents(count: int, address: int, stride: int, exponents: np.ndarray) -> None:
        found, samples = np.zeros(exponents.size, np.int64), 0
        for k in range(0, count, stride):
            found[np.int64((bits_of(load(address, k, stored)) & _SIZE) >> _23)] += 1
            samples += 1
        passed, before = 0, np.int64(0)
        for e in range(exponents.size):
            passed += found[e]
            up_to = np.int64(np.rint(passed / samples * count))
            exponents[e] += up_to - before
            before = up_to

    return add_exponents


@cache
def build_differences(models: int, stored: int, bins: int, lowest: int) -> Callable[..., None]:
    """The loop for a number of models besides the base.

    Parameters
    ----------
    models, stored : int
    bins, lowest : int
        Bins of the histogram, two for each power of two, and the bits of the first bin's lower end without all but the first of the
        mantissa. The first and the last bin have no end.

    Returns
    -------
    callable
        ``(count, addresses, largest, same, opposite, equal, histogram, mass)``: adds a block of at most `MOST` elements to the
        arrays of a `nbmerge.statistics.tally.Tally` for one tensor.
    """
    inner, outer = np.uint32((lowest + 1) << 22), np.uint32((lowest + bins - 1) << 22)

    square = "float64[:, ::1]"

    @entry_point(f"void(int64, int64[::1], float64[::1], {square}, {square}, {square}, int64[:, ::1], float64[:, ::1])")
    def add_differences(
        count: int,
        addresses: np.ndarray,
        largest: np.ndarray,
        same: np.ndarray,
        opposite: np.ndarray,
        equal: np.ndarray,
        histogram: np.ndarray,
        mass: np.ndarray,
    ) -> None:
        deltas, places = np.empty((models, TILE), np.uint32), np.empty(TILE, np.uint32)
        tables = np.zeros((models, TABLES, bins), np.int64)
        outside, sizes = np.zeros((models, 2)), np.zeros(models, np.uint32)
        for first in range(0, count, TILE):
            size = min(TILE, count - first)
            for i in range(models):
                bits = deltas[i, :size]
                _read_differences(addresses[0], addresses[i + 1], first, stored, bits)
                sizes[i], some = _find_extent(bits, sizes[i], inner, outer)
                _find_places(bits, lowest, bins - 1, places[:size])
                _fill(bits, places[:size], tables[i])
                if some:
                    _add_outside(bits, inner, outer, outside[i])
                same[i, i] += count_changed(bits)
                equal[i, i] += size
                for j in range(i):
                    alike, unlike = count_signs(bits, deltas[j, :size])
                    same[i, j] += alike
                    opposite[i, j] += unlike
                    equal[i, j] += _count_equal(addresses[i + 1], addresses[j + 1], first, size, stored)
        for i in range(models):
            for j in range(i):
                same[j, i], opposite[j, i], equal[j, i] = same[i, j], opposite[i, j], equal[i, j]
            largest[i] = max(largest[i], np.float64(float_of(sizes[i])))
            _take_out(tables[i], lowest, histogram[i], mass[i])
            mass[i, 0] += outside[i, 0]
            mass[i, bins - 1] += outside[i, 1]

    return add_differences
