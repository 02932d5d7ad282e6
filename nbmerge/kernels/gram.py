"""The loop for inner products of a base and task vectors, summed in the order of `nbmerge.methods.numerics.inner_products`."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np

from nbmerge.kernels.compiler import entry_point, fixed_tuple
from nbmerge.kernels.floats import FLOAT32, load
from nbmerge.kernels.folding import fold
from nbmerge.methods.numerics.sums import LANES

TILE = 512
"""Partial sums that are computed at a time: all numbers of a block that are added to them fit into the processor's first cache."""


@cache
def build_products(stored: tuple[int, ...]) -> Callable[..., None]:
    """The loop for inputs that are stored so, the base first. With one in float32, all is computed in float64, else in float32.

    Returns
    -------
    callable
        ``(count, addresses, gram)``: adds the inner products of a block's [W₀, W₁ − W₀, …] to a Gram matrix (float64).
    """
    inputs, working = len(stored), np.float64 if FLOAT32 in stored else np.float32

    @entry_point("void(int64, int64[::1], float64[:, ::1])")
    def add_products(count: int, addresses: np.ndarray, gram: np.ndarray) -> None:
        own, lanes, pairs = fixed_tuple(addresses, inputs), min(LANES, count), inputs * (inputs + 1) // 2
        sums, totals = np.empty(pairs * TILE, working), np.empty((pairs, lanes))
        for lane in range(0, lanes, TILE):
            sums[:] = working(-0.0)  # the only number to which all others are added without a change
            for first in range(lane, count, LANES):
                for k in range(min(TILE, count - first)):
                    base, pair = working(load(own[0], first + k, stored[0])), 0
                    for i in range(inputs):
                        one = working(load(own[i], first + k, stored[i])) - base if i else base
                        for j in range(i, inputs):
                            other = working(load(own[j], first + k, stored[j])) - base if j else base
                            sums[pair * TILE + k] += one * other
                            pair += 1
            for pair in range(pairs):
                for k in range(min(TILE, lanes - lane)):
                    totals[pair, lane + k] = sums[pair * TILE + k]
        pair = 0
        for i in range(inputs):
            for j in range(i, inputs):
                total = fold(totals[pair])
                gram[i, j] += total
                if i != j:
                    gram[j, i] += total
                pair += 1

    return add_products
