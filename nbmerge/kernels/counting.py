"""Loops that count and collect the magnitudes |b − a| of a task vector."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np

from nbmerge.kernels.compiler import entry_point
from nbmerge.kernels.floats import load


@cache
def build_comparison(base_stored: int, own_stored: int) -> Callable[..., None]:
    """The loop that compares magnitudes with some values.

    Returns
    -------
    callable
        ``(count, base, own, values, counts)``: `counts` (int64, shape (k, 2)) becomes the number of magnitudes above each of the k
        values (float32), and of those equal to it.
    """

    @entry_point("void(int64, int64, int64, float32[::1], int64[:, ::1])")
    def compare(count: int, base: int, own: int, values: np.ndarray, counts: np.ndarray) -> None:
        for v in range(values.size):
            value, above, equal = values[v], np.int32(0), np.int32(0)
            for k in range(count):
                magnitude = abs(load(own, k, own_stored) - load(base, k, base_stored))
                above = np.int32(above + np.int32(magnitude > value))
                equal = np.int32(equal + np.int32(magnitude == value))
            counts[v, 0], counts[v, 1] = above, equal

    return compare


@cache
def build_collection(base_stored: int, own_stored: int) -> Callable[..., tuple[int, int]]:
    """The loop that collects the magnitudes in an interval.

    Returns
    -------
    callable
        ``(count, base, own, low, high, inside) -> (int, int)``: the number of magnitudes above `high`, and of those from `low` to
        `high`, which are written to the beginning of `inside` (float32, shape (count + 1,)).
    """

    @entry_point("UniTuple(int64, 2)(int64, int64, int64, float32, float32, float32[::1])")
    def collect(count: int, base: int, own: int, low: float, high: float, inside: np.ndarray) -> tuple[int, int]:
        above, held = np.int64(0), np.int64(0)
        for k in range(count):
            magnitude = abs(load(own, k, own_stored) - load(base, k, base_stored))
            above += np.int64(magnitude > high)
            inside[held] = magnitude  # without a branch: what is not inside is overwritten by the next
            held += np.int64(magnitude >= low) & np.int64(magnitude <= high)
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
        for k in range(count):
            if abs(load(own, k, own_stored) - load(base, k, base_stored)) == value:
                if rank == 0:
                    return k
                rank -= 1
        return count

    return find
