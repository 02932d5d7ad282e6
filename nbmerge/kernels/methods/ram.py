"""The loops for `nbmerge.methods.ram`."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
import torch

from nbmerge.kernels.compiler import entry_point, fixed_tuple, part
from nbmerge.kernels.floats import ONE, ZERO, is_finite, larger, load, store
from nbmerge.kernels.operands import Fused, Layout, locate
from nbmerge.methods import Values


@part
def _change(number: float, origin: float, epsilon: float) -> float:
    """The change from the base, 0 where it counts as none; a NaN remains."""
    change = number - origin
    return ZERO if abs(change) <= epsilon else change


@cache
def build_ram(stored: tuple[int, ...], result_stored: int) -> Callable[..., bool]:
    """The loop for inputs that are stored so, the base first.

    Returns
    -------
    callable
        ``(count, addresses, result, epsilon, gains) -> bool``: whether the result is finite. A change that only model i made is
        multiplied by 1 + gains[i].
    """
    models = len(stored) - 1

    @entry_point("boolean(int64, int64[::1], int64, float32, float32[::1])")
    def merge(count: int, addresses: np.ndarray, result: int, epsilon: float, gains: np.ndarray) -> bool:
        base, own, gain = addresses[0], fixed_tuple(addresses[1:], models), fixed_tuple(gains, models)
        largest = np.uint32(0)
        for k in range(count):
            origin, changed, total = load(base, k, stored[0]), ZERO, ZERO
            for i in range(models):
                changed += ONE if _change(load(own[i], k, stored[i + 1]), origin, epsilon) != ZERO else ZERO
            for i in range(models):
                factor = (gain[i] if changed == ONE else ZERO) + ONE
                total += _change(load(own[i], k, stored[i + 1]), origin, epsilon) * factor
            value = origin + total / (changed if changed > ONE else ONE)
            largest = larger(largest, value)
            store(result, k, result_stored, value)
        return is_finite(largest, result_stored)

    return merge


@cache
def build_counts(stored: tuple[int, ...]) -> Callable[..., None]:
    """The loop that counts changes.

    Returns
    -------
    callable
        ``(count, addresses, epsilon, counts)``: adds to `counts` (int64, shape (models, 2)) the elements that only model i
        changed, and those that others changed as well.
    """
    models = len(stored) - 1

    @entry_point("void(int64, int64[::1], float32, int64[:, ::1])")
    def count_changes(count: int, addresses: np.ndarray, epsilon: float, counts: np.ndarray) -> None:
        base, own = addresses[0], fixed_tuple(addresses[1:], models)
        changed = np.empty(count, np.int32)
        for k in range(count):
            origin, models_here = load(base, k, stored[0]), ZERO
            for i in range(models):
                models_here += ONE if _change(load(own[i], k, stored[i + 1]), origin, epsilon) != ZERO else ZERO
            changed[k] = np.int32(models_here)
        for i in range(models):
            alone, together = np.int32(0), np.int32(0)
            for k in range(count):
                origin = load(base, k, stored[0])
                is_changed = np.int32(_change(load(own[i], k, stored[i + 1]), origin, epsilon) != ZERO)
                alone = np.int32(alone + (is_changed & np.int32(changed[k] == 1)))
                together = np.int32(together + (is_changed & np.int32(changed[k] > 1)))
            counts[i, 0] += alone
            counts[i, 1] += together

    return count_changes


def fuse(factors: list[float] | None, values: Values, layout: Layout) -> Fused:
    """The loop for one tensor."""
    merge, epsilon = build_ram(layout.kinds, layout.result_kind), np.float32(values["epsilon"])
    gains = np.array([f - 1.0 for f in factors or [1.0] * (len(layout.kinds) - 1)], np.float32)

    def fused(inputs: list[torch.Tensor], start: int, result: torch.Tensor) -> bool:
        return merge(result.numel(), locate(inputs), result.data_ptr(), epsilon, gains)

    return fused


def fuse_counts(kinds: tuple[int, ...], epsilon: float) -> Callable[[list[torch.Tensor], int], list[list[int]]]:
    """The loop for `nbmerge.methods.ram.count_changes`."""
    add, limit = build_counts(kinds), np.float32(epsilon)

    def count_changes(inputs: list[torch.Tensor], start: int) -> list[list[int]]:
        counts = np.zeros((len(kinds) - 1, 2), np.int64)
        add(inputs[0].numel(), locate(inputs), limit, counts)
        return counts.tolist()

    return count_changes
