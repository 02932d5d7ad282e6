"""The loop that counts what trimming leaves of task vectors, see `nbmerge.statistics.structure.trimmed_sums`."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np

from nbmerge.kernels.compiler import entry_point, part
from nbmerge.kernels.differences import count_changed, count_signs
from nbmerge.kernels.floats import ZERO, bits_of, load
from nbmerge.kernels.folding import fold

_31 = np.uint32(31)


@part
def _read_deltas(own: int, base: int, first: int, own_stored: int, base_stored: int, deltas: np.ndarray) -> None:
    for k in range(deltas.size):
        deltas[k] = load(own, first + k, own_stored) - load(base, first + k, base_stored)


@part
def _trim(delta: np.ndarray, threshold: float, ties: int) -> int:
    """Set to zero what is cut; returns how many elements equal to the threshold may be kept in the tiles that follow."""
    if threshold == ZERO:
        return ties  # what could be cut is zero
    equal = np.int32(0)
    if ties:
        for k in range(delta.size):
            equal = np.int32(equal + np.int32(abs(delta[k]) == threshold))
    if np.int64(equal) <= ties and equal:
        for k in range(delta.size):
            delta[k] = delta[k] if abs(delta[k]) >= threshold else ZERO
        return ties - np.int64(equal)
    if not equal or not ties:
        for k in range(delta.size):
            delta[k] = delta[k] if abs(delta[k]) > threshold else ZERO
        return ties
    for k in range(delta.size):
        if abs(delta[k]) == threshold and ties:
            ties -= 1
        elif not abs(delta[k]) > threshold:
            delta[k] = ZERO
    return ties


@part
def _add_magnitudes(delta: np.ndarray, lanes: np.ndarray) -> None:
    for k in range(delta.size):
        lanes[k] += np.float64(abs(delta[k]))


@part
def _add_elected(delta: np.ndarray, net: np.ndarray, lanes: np.ndarray) -> None:
    """Add the magnitudes of the elements that have the sign of the sum."""
    for k in range(delta.size):
        agrees = (bits_of(delta[k]) ^ bits_of(net[k])) >> _31 == np.uint32(0) and net[k] != ZERO
        lanes[k] += np.float64(abs(delta[k])) if agrees else np.float64(0)


@part
def _count_shared(deltas: np.ndarray, size: int) -> tuple[int, int]:
    """Elements at which at least two are not zero, and those of them with different signs."""
    shared, conflicting = np.int32(0), np.int32(0)
    for k in range(size):
        up, down = np.int32(0), np.int32(0)
        for m in range(deltas.shape[0]):
            up = np.int32(up + np.int32(deltas[m, k] > ZERO))
            down = np.int32(down + np.int32(deltas[m, k] < ZERO))
        shared = np.int32(shared + np.int32(up + down >= 2))
        conflicting = np.int32(conflicting + (np.int32(up > 0) & np.int32(down > 0)))
    return np.int64(shared), np.int64(conflicting)


@part
def _count_signs(deltas: np.ndarray, size: int, same: np.ndarray, opposite: np.ndarray) -> tuple[int, int]:
    """Count for each pair; returns how many elements are shared and how many are conflicting."""
    models, bits = deltas.shape[0], deltas.view(np.uint32)
    alike, unlike = np.int64(0), np.int64(0)
    for i in range(models):
        same[i, i] += count_changed(bits[i, :size])
        for j in range(i):
            alike, unlike = count_signs(bits[i, :size], bits[j, :size])
            same[i, j] += alike
            same[j, i] += alike
            opposite[i, j] += unlike
            opposite[j, i] += unlike
    return (alike + unlike, unlike) if models == 2 else _count_shared(deltas, size)


@part
def _add_up(deltas: np.ndarray, net: np.ndarray) -> None:
    net[:] = deltas[0, : net.size]
    for m in range(1, deltas.shape[0]):
        for k in range(net.size):
            net[k] += deltas[m, k]


@cache
def build_trimming(stored: tuple[int, ...], lanes: int) -> Callable[..., None]:
    """The loop for inputs that are stored so, the base first.

    Parameters
    ----------
    stored : tuple of int
    lanes : int
        Partial sums; a power of two.

    Returns
    -------
    callable
        ``(count, addresses, thresholds, ties, total, kept, elected, shared, conflicting, same, opposite)``: adds what is counted of
        a block to the arrays of a `TrimmedSums` for one tensor. Thresholds (float32) and ties (int64, reduced by those in the block)
        have the shape (models, densities); the thresholds of a model do not decrease.
    """
    models, line, square, cube = len(stored) - 1, "float64[::1]", "float64[:, ::1]", "float64[:, :, ::1]"

    @entry_point(
        "void(int64, int64[::1], float32[:, ::1], int64[:, ::1], "
        f"{line}, {square}, {square}, {line}, {line}, {cube}, {cube})"
    )
    def count_trimmed(
        count: int,
        addresses: np.ndarray,
        thresholds: np.ndarray,
        ties: np.ndarray,
        total: np.ndarray,
        kept: np.ndarray,
        elected: np.ndarray,
        shared: np.ndarray,
        conflicting: np.ndarray,
        same: np.ndarray,
        opposite: np.ndarray,
    ) -> None:
        densities = thresholds.shape[1]
        deltas, net = np.zeros((models, lanes), np.float32), np.empty(lanes, np.float32)
        all_lanes, kept_lanes = np.zeros((models, lanes)), np.zeros((densities, models, lanes))
        elected_lanes = np.zeros((densities, models, lanes))
        for first in range(0, count, lanes):
            size = min(lanes, count - first)
            for m in range(models):
                _read_deltas(addresses[m + 1], addresses[0], first, stored[m + 1], stored[0], deltas[m, :size])
                _add_magnitudes(deltas[m, :size], all_lanes[m, :size])
            for d in range(densities):
                for m in range(models):
                    ties[m, d] = _trim(deltas[m, :size], thresholds[m, d], ties[m, d])
                _add_up(deltas, net[:size])
                for m in range(models):
                    _add_magnitudes(deltas[m, :size], kept_lanes[d, m, :size])
                    _add_elected(deltas[m, :size], net[:size], elected_lanes[d, m, :size])
                several, unlike = _count_signs(deltas, size, same[d], opposite[d])
                shared[d] += several
                conflicting[d] += unlike
        for m in range(models):
            total[m] += fold(all_lanes[m])
            for d in range(densities):
                kept[d, m] += fold(kept_lanes[d, m])
                elected[d, m] += fold(elected_lanes[d, m])

    return count_trimmed
