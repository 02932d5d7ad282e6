"""Loops that count and collect the magnitudes |b − a| of a task vector."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np

from nbmerge.kernels.compiler import entry_point, part
from nbmerge.kernels.floats import load

TILE = 4096
"""Elements at a time: their magnitudes fit into the processor's first cache."""
GROUP = 8
"""Elements of which one comparison finds whether any is inside. A divisor of `TILE`."""


@part
def read_magnitudes(base: int, own: int, first: int, base_stored: int, own_stored: int, magnitudes: np.ndarray) -> None:
    """Write |b − a| from an index on."""
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


@part
def _find_inside(magnitudes: np.ndarray, low: float, high: float, is_inside: np.ndarray) -> int:
    """Write 1 where a magnitude is in the interval and 0 elsewhere; returns how many are above it."""
    above = np.int32(0)
    for k in range(magnitudes.size):
        above = np.int32(above + np.int32(magnitudes[k] > high))
        is_inside[k] = np.uint8((magnitudes[k] >= low) & (magnitudes[k] <= high))
    return np.int64(above)


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
def _take_out(magnitudes: np.ndarray, value: float, is_inside: np.ndarray) -> tuple[int, int]:
    """Like `_compare`; also write 0 where a magnitude is equal to the value."""
    above, equal = np.int32(0), np.int32(0)
    for k in range(magnitudes.size):
        above = np.int32(above + np.int32(magnitudes[k] > value))
        equal = np.int32(equal + np.int32(magnitudes[k] == value))
        is_inside[k] &= np.uint8(magnitudes[k] != value)
    return np.int64(above), np.int64(equal)


@cache
def build_collection(base_stored: int, own_stored: int) -> Callable[..., tuple[int, int]]:
    """The loop that collects the magnitudes in an interval, except some values.

    Returns
    -------
    callable
        ``(count, base, own, low, high, values, counts, inside) -> (int, int)``: the number of magnitudes above `high`, and of those
        from `low` to `high` without `values` (float32), which are written to the beginning of `inside` (float32, shape (count,)).
        Adds to `counts` what `build_comparison` adds.
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
        magnitudes, is_inside = np.empty(TILE, np.float32), np.zeros(TILE, np.uint8)
        groups = is_inside.view(np.uint64)
        above, held = np.int64(0), np.int64(0)
        for first in range(0, count, TILE):
            tile = magnitudes[: min(TILE, count - first)]
            read_magnitudes(base, own, first, base_stored, own_stored, tile)
            above += _find_inside(tile, low, high, is_inside[: tile.size])
            for v in range(values.size):
                more, equal = _take_out(tile, values[v], is_inside[: tile.size])
                counts[v, 0] += more
                counts[v, 1] += equal
            is_inside[tile.size :] = np.uint8(0)
            for g in range(groups.size):
                if groups[g] != np.uint64(0):
                    for k in range(GROUP * g, GROUP * g + GROUP):
                        if is_inside[k]:
                            inside[held] = magnitudes[k]
                            held += 1
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
