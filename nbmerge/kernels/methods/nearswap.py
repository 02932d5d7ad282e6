"""The loop for `nbmerge.methods.nearswap.mix`."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
import torch

from nbmerge.kernels.compiler import entry_point
from nbmerge.kernels.floats import is_finite, larger, load, store
from nbmerge.kernels.operands import Fused, Layout
from nbmerge.methods import Values


@cache
def build_nearswap(stored: tuple[int, ...], result_stored: int) -> Callable[..., bool]:
    """The loop.

    Returns
    -------
    callable
        ``(count, base, other, result, limit) -> bool``: whether the result is finite.
    """

    @entry_point("boolean(int64, int64, int64, int64, float32)")
    def nearswap(count: int, base: int, other: int, result: int, limit: float) -> bool:
        largest = np.uint32(0)
        for k in range(count):
            origin, target = load(base, k, stored[0]), load(other, k, stored[1])
            change = target - origin
            step = limit if change > limit else -limit
            value = target if abs(change) <= limit else step + origin
            if change != change:  # a NaN of the target is in the change alone
                value = change
            largest = larger(largest, value)
            store(result, k, result_stored, value)
        return is_finite(largest, result_stored)

    return nearswap


def fuse(state: None, values: Values, layout: Layout) -> Fused:
    """The loop for one tensor."""
    loop, limit = build_nearswap(layout.kinds, layout.result_kind), np.float32(values["t"])

    def fused(inputs: list[torch.Tensor], start: int, result: torch.Tensor) -> bool:
        base, other = inputs
        return loop(result.numel(), base.data_ptr(), other.data_ptr(), result.data_ptr(), limit)

    return fused
