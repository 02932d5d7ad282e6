"""The loop for `nbmerge.methods.consensus.mix`."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
import torch

from nbmerge.kernels.compiler import entry_point, fixed_tuple
from nbmerge.kernels.floats import ONE, ZERO, is_finite, larger, load, multiply_add, store
from nbmerge.kernels.operands import Fused, Layout, locate
from nbmerge.methods import Values


@cache
def build_consensus(stored: tuple[int, ...], result_stored: int) -> Callable[..., bool]:
    """The loop for inputs that are stored so, the base first.

    Returns
    -------
    callable
        ``(count, addresses, result, weights, threshold, agreement, scale) -> bool``: whether the result is finite.
    """
    models = len(stored) - 1

    @entry_point("boolean(int64, int64[::1], int64, float32[::1], float32, float32, float32)")
    def consensus(
        count: int,
        addresses: np.ndarray,
        result: int,
        weights: np.ndarray,
        threshold: float,
        agreement: float,
        scale: float,
    ) -> bool:
        base, own, weight = addresses[0], fixed_tuple(addresses[1:], models), fixed_tuple(weights, models)
        largest = np.uint32(0)
        for k in range(count):
            origin, total, needed = load(base, k, stored[0]), ZERO, ZERO
            for i in range(models):
                total += (load(own[i], k, stored[i + 1]) - origin) * weight[i]
            for i in range(models):
                change = (load(own[i], k, stored[i + 1]) - origin) * weight[i]
                needed += ONE if abs(change) >= abs(total - change) * threshold else ZERO
            value = multiply_add(total * (ONE if needed >= agreement else ZERO), scale, origin)
            largest = larger(largest, value)
            store(result, k, result_stored, value)
        return is_finite(largest, result_stored)

    return consensus


def fuse(state: None, values: Values, layout: Layout) -> Fused:
    """The loop for one tensor."""
    loop, weights = build_consensus(layout.kinds, layout.result_kind), np.array(values.each["weight"][1:], np.float32)
    threshold, agreement, scale = (np.float32(values[name]) for name in ("threshold", "agreement", "lambda"))

    def fused(inputs: list[torch.Tensor], start: int, result: torch.Tensor) -> bool:
        return loop(result.numel(), locate(inputs), result.data_ptr(), weights, threshold, agreement, scale)

    return fused
