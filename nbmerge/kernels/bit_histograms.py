"""Loops that count magnitudes |b − a| by 16 of their bits, see `nbmerge.statistics.structure.thresholds`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache

import numpy as np

from nbmerge.kernels.compiler import entry_point, part
from nbmerge.kernels.counting import TILE, read_magnitudes
from nbmerge.kernels.floats import bits_of

TABLES = 2
"""Neighbouring elements go into different tables, because they are often in the same bin and would wait for each other."""

_DIGIT, _16 = np.uint32(0xFFFF), np.uint32(16)


@part
def _add_upper(magnitudes: np.ndarray, tables: np.ndarray) -> None:
    whole = magnitudes.size // TABLES * TABLES
    for k in range(0, whole, TABLES):
        for t in range(TABLES):
            tables[t, bits_of(magnitudes[k + t]) >> _16] += np.uint32(1)
    for k in range(whole, magnitudes.size):
        tables[0, bits_of(magnitudes[k]) >> _16] += np.uint32(1)


@part
def _add_lower(magnitudes: np.ndarray, numbers: np.ndarray, histograms: np.ndarray) -> None:
    for k in range(magnitudes.size):
        bits = bits_of(magnitudes[k])
        number = numbers[bits >> _16]
        if number:
            histograms[number - 1, bits & _DIGIT] += 1


@cache
def build_histograms(base_stored: int, own_stored: int) -> Callable[..., None]:
    """The loop that counts the upper bits of all magnitudes, or the lower bits of those whose upper bits are wanted.

    Returns
    -------
    callable
        ``(count, base, own, upper, numbers, histograms)``: adds to histograms (int64, shape (n, 65536)). Where `upper` is true, upper
        bits are counted in the first; else `numbers` has for all upper bits the number of their histogram, see `number_prefixes`.
    """

    @entry_point("void(int64, int64, int64, boolean, uint8[::1], int64[:, ::1])")
    def add(count: int, base: int, own: int, upper: bool, numbers: np.ndarray, histograms: np.ndarray) -> None:
        magnitudes, tables = np.empty(TILE, np.float32), np.zeros((TABLES, 1 << 15), np.uint32)  # they have no sign
        for first in range(0, count, TILE):
            tile = magnitudes[: min(TILE, count - first)]
            read_magnitudes(base, own, first, base_stored, own_stored, tile)
            if upper:
                _add_upper(tile, tables)
            else:
                _add_lower(tile, numbers, histograms)
        if upper:
            for t in range(TABLES):
                for place in range(1 << 15):
                    histograms[0, place] += tables[t, place]

    return add


def number_prefixes(prefixes: Sequence[int]) -> np.ndarray:
    """For all upper bits, the number of their histogram, from 1; 0 where lower bits are not counted. uint8, shape (65536,)."""
    numbers = np.zeros(1 << 16, np.uint8)
    numbers[list(prefixes)] = np.arange(1, 1 + len(prefixes))
    return numbers
