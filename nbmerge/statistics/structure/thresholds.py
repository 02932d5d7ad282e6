"""Several order statistics of several task vectors at once, exactly, in passes that do not depend on how many there are.

Magnitudes are ordered as their bit patterns are. Each pass fixes 16 bits of every threshold by a histogram: two passes for
float32, four for float64.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nbmerge.engine.compute import Blocks

DIGIT = 16
"""Bits that a pass fixes."""
Keeps = Sequence[Sequence[int]]
"""For each task vector, how many elements are kept: the places from the top of its thresholds."""


def find_thresholds(blocks: Blocks, keeps: Keeps) -> tuple[np.ndarray, np.ndarray]:
    """The k-th largest |Wᵢ − W₀| for each model i and each k of ``keeps[i − 1]``.

    Parameters
    ----------
    blocks : Blocks
        Of a tensor whose first input is the base.
    keeps : sequence of sequence of int
        The same number of places for each model, each from 1 to the number of elements.

    Returns
    -------
    thresholds : ndarray, shape (models, places)
        In the dtype in which task vectors are computed.
    ties : ndarray of int, shape (models, places)
        How many of the elements that equal a threshold are among the k largest.
    """
    left = np.array(keeps, dtype=np.int64)
    prefixes = np.zeros(left.shape, dtype=np.uint64)
    width = 8 * blocks.dtype.itemsize
    for shift in range(width - DIGIT, -1, -DIGIT):
        histograms = _count(blocks, prefixes, shift, first=shift == width - DIGIT)
        for place in np.ndindex(left.shape):
            from_top = np.cumsum(histograms[place][::-1])
            step = int(np.searchsorted(from_top, left[place]))
            left[place] -= int(from_top[step - 1]) if step else 0
            prefixes[place] = (int(prefixes[place]) << DIGIT) | ((1 << DIGIT) - 1 - step)
    return prefixes.astype(np.uint32).view(np.float32) if width == 32 else prefixes.view(np.float64), left


def histogram_bytes() -> int:
    """Memory of the histogram of one threshold."""
    return 8 << DIGIT


def _count(blocks: Blocks, prefixes: np.ndarray, shift: int, first: bool) -> np.ndarray:
    """For each threshold, a histogram of the next digit of the magnitudes that begin with what is known of it."""
    histograms = np.zeros((*prefixes.shape, 1 << DIGIT), dtype=np.int64)
    for start in blocks.starts():
        rows = blocks.rows(start)
        for m, delta in enumerate(rows[1:].sub_(rows[:1]).abs_()):
            magnitudes = delta.numpy()
            bits = magnitudes.view(np.uint32 if magnitudes.itemsize == 4 else np.uint64).astype(np.uint64)
            if first:
                histograms[m] += _digits(bits, shift)
                continue
            above = bits >> np.uint64(shift + DIGIT)
            for prefix in np.unique(prefixes[m]):
                histograms[m, prefixes[m] == prefix] += _digits(bits[above == prefix], shift)
    return histograms


def _digits(bits: np.ndarray, shift: int) -> np.ndarray:
    digits = ((bits >> np.uint64(shift)) & np.uint64((1 << DIGIT) - 1)).astype(np.int64)
    return np.bincount(digits, minlength=1 << DIGIT)
