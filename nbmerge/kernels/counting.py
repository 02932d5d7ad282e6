"""Loops that count and collect the magnitudes |b − a| of a task vector."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np

from nbmerge.kernels.compiler import entry_point, part, prefer_wide_vectors
from nbmerge.kernels.floats import load
from nbmerge.kernels.groups import GROUP, are_above, are_equal, are_from, count_bits, find_first

TILE = 4096
"""Elements at a time: their magnitudes fit into the processor's first cache. A multiple of `GROUP`."""


@part
def read_magnitudes(base: int, own: int, first: int, base_stored: int, own_stored: int, magnitudes: np.ndarray) -> None:
    """Write |b − a| from an index on."""
    prefer_wide_vectors()
    for k in range(magnitudes.size):
        magnitudes[k] = abs(load(own, first + k, own_stored) - load(base, first + k, base_stored))


@part
def _compare(magnitudes: np.ndarray, value: float) -> tuple[int, int]:
    """How many are larger than a value, and how many equal to it."""
    above, equal = np.int32(0), np.int32(0)
    for k in range(magnitudes.size):
        above = np.int32(above + np.int32(magnitudes[k] > value))
        equal = np.int32(equal + np.int32(magnitudes[k] == value))
    return np.int64(above), np.int64(equal)


@cache
def build_comparison(base_stored: int, own_stored: int) -> Callable[..., None]:
    """The loop that compares magnitudes with some values.

    Returns
    -------
    callable
        ``(count, base, own, values, counts)``: adds to `counts` (int64, shape (k, 2)) the number of magnitudes above each of the k
        values (float32), and of those equal to it.
    """

    @entry_point("void(int64, int64, int64, float32[::1], int64[:, ::1])")
    def compare(count: int, base: int, own: int, values: np.ndarray, counts: np.ndarray) -> None:
        magnitudes = np.empty(TILE, np.float32)
        for first in range(0, count, TILE):
            tile = magnitudes[: min(TILE, count - first)]
            read_magnitudes(base, own, first, base_stored, own_stored, tile)
            for v in range(values.size):
                above, equal = _compare(tile, values[v])
                counts[v, 0] += above
                counts[v, 1] += equal

    return compare


@part
def _count_above(numbers: np.ndarray, value: float) -> int:
    above = np.int32(0)
    for k in range(numbers.size):
        above = np.int32(above + np.int32(numbers[k] > value))
    return np.int64(above)


@cache
def build_collection(base_stored: int, own_stored: int) -> Callable[..., tuple[int, int]]:
    """The loop that collects the magnitudes in an interval, except some values.

    Returns
    -------
    callable
        ``(count, base, own, low, high, values, counts, inside) -> (int, int)``: the number of magnitudes above `high`, and of those
        from `low` to `high` without `values` (float32, all of them in the interval), which are written to the beginning of `inside`
        (float32, shape (count,)). Adds to `counts` what `build_comparison` adds.
    """

    @entry_point("UniTuple(int64, 2)(int64, int64, int64, float32, float32, float32[::1], int64[:, ::1], float32[::1])")
    def collect(
        count: int,
        base: int,
        own: int,
        low: float,
        high: float,
        values: np.ndarray,
        counts: np.ndarray,
        inside: np.ndarray,
    ) -> tuple[int, int]:
        prefer_wide_vectors()
        magnitudes, equal = np.empty(TILE, np.float32), np.zeros(values.size, np.int64)
        address, above, held = magnitudes.ctypes.data, np.int64(0), np.int64(0)
        for first in range(0, count, TILE):
            tile = magnitudes[: min(TILE, count - first)]
            read_magnitudes(base, own, first, base_stored, own_stored, tile)
            magnitudes[tile.size :] = np.float32(np.nan)  # which is neither inside nor above
            for k in range(0, tile.size, GROUP):
                larger = are_above(address, k, high)
                above += count_bits(larger)
                rest = are_from(address, k, low) ^ larger
                for v in range(values.size):
                    same = are_equal(address, k, values[v])
                    equal[v] += count_bits(same)
                    rest &= ~same
                while rest != np.uint32(0):
                    inside[held] = magnitudes[k + find_first(rest)]
                    held += 1
                    rest &= np.uint32(rest - np.uint32(1))
        for v in range(values.size):
            counts[v, 0] += above + _count_above(inside[:held], values[v])
            counts[v, 0] += equal[values > values[v]].sum()
            counts[v, 1] += equal[v]
        return above, held

    return collect


@cache
def build_search(base_stored: int, own_stored: int) -> Callable[..., int]:
    """The loop that finds a magnitude.

    Returns
    -------
    callable
        ``(count, base, own, value, rank) -> int``: the index of the magnitude equal to a value that `rank` others precede; `count`
        if there are fewer.
    """

    @entry_point("int64(int64, int64, int64, float32, int64)")
    def find(count: int, base: int, own: int, value: float, rank: int) -> int:
        magnitudes = np.empty(TILE, np.float32)
        for first in range(0, count, TILE):
            tile = magnitudes[: min(TILE, count - first)]
            read_magnitudes(base, own, first, base_stored, own_stored, tile)
            _, equal = _compare(tile, value)
            if equal <= rank:
                rank -= equal
                continue
            for k in range(tile.size):
                if tile[k] == value:
                    if rank == 0:
                        return first + k
                    rank -= 1
        return count

    return find
