"""Several order statistics of several task vectors at once, exactly, in passes that do not depend on how many there are.

Magnitudes are ordered as their bit patterns are. Each pass fixes 16 bits of every threshold by a histogram: two passes for
float32, four for float64.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch

from nbmerge.engine.compute import Blocks
from nbmerge.kernels import find_loops

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
        histograms = _count(blocks, [sorted(set(known.tolist())) for known in prefixes], shift, width)
        for place in np.ndindex(left.shape):
            from_top = np.cumsum(histograms[place[0]][int(prefixes[place])][::-1])
            step = int(np.searchsorted(from_top, left[place]))
            left[place] -= int(from_top[step - 1]) if step else 0
            prefixes[place] = (int(prefixes[place]) << DIGIT) | ((1 << DIGIT) - 1 - step)
    return prefixes.astype(np.uint32).view(np.float32) if width == 32 else prefixes.view(np.float64), left


def histogram_bytes() -> int:
    """Memory of the histogram of one threshold."""
    return 8 << DIGIT


def _count(blocks: Blocks, prefixes: Sequence[Sequence[int]], shift: int, width: int) -> list[dict[int, np.ndarray]]:
    """For each model, a histogram of the next digit of the magnitudes that begin with each of its prefixes."""
    counted = [np.zeros((len(known), 1 << DIGIT), dtype=np.int64) for known in prefixes]
    is_first = shift == width - DIGIT
    loops = _find_loops(blocks, [None if is_first else known for known in prefixes])
    for start in blocks.starts():
        if loops is not None:
            stored = [blocks.stored(i, start) for i in range(len(blocks.inputs))]
            for loop, own, histograms in zip(loops, stored[1:], counted, strict=True):
                loop(stored[0], own, histograms)
            continue
        rows = blocks.rows(start)
        for delta, known, histograms in zip(rows[1:].sub_(rows[:1]).abs_(), prefixes, counted, strict=True):
            bits = delta.view(torch.int32 if width == 32 else torch.int64).numpy()
            upper = None if is_first else bits >> (shift + DIGIT)
            for prefix, histogram in zip(known, histograms, strict=True):
                histogram += _count_digits(bits if upper is None else bits[upper == prefix], shift)
    return [dict(zip(known, histograms, strict=True)) for known, histograms in zip(prefixes, counted, strict=True)]


def _count_digits(bits: np.ndarray, shift: int) -> np.ndarray:
    return np.bincount((bits >> shift) & ((1 << DIGIT) - 1), minlength=1 << DIGIT)


def _find_loops(
    blocks: Blocks, prefixes: Sequence[Sequence[int] | None]
) -> list[Callable[[torch.Tensor, torch.Tensor, np.ndarray], None]] | None:
    """The compiled form of a pass for each model, if there is one; it takes blocks as they are stored."""
    loops = find_loops()
    if loops is None or blocks.dtype != torch.float32:
        return None
    base, *dtypes = (i.dtype for i in blocks.inputs)
    found = [loops.fuse_histograms([base, own], known) for own, known in zip(dtypes, prefixes, strict=True)]
    return None if None in found else found
