"""Loops for angles and factors of rows: model_stock and nuslerp by row."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache

import numpy as np
import torch

from nbmerge.kernels.compiler import entry_point, fixed_tuple
from nbmerge.kernels.floats import ZERO, is_finite, larger, load, multiply_add, store
from nbmerge.kernels.folding import fold
from nbmerge.kernels.operands import Fused, Layout, locate
from nbmerge.methods import Values, model_stock, nuslerp
from nbmerge.methods.numerics.geometry import has_base
from nbmerge.methods.numerics.sums import LANES

_SIGNATURE = "boolean(int64, int64[::1], int64, float32[:, ::1])"
"""Of a loop ``(columns, addresses, result, factors)`` that merges rows, each with its column of `factors` (float32): whether the
result is finite."""


@cache
def build_row_products(stored: tuple[int, ...], is_based: bool) -> Callable[..., None]:
    """The loop for inner products of rows, or of their differences from the first input's, in the order of `inner_products`.

    Returns
    -------
    callable
        ``(columns, addresses, products)``: `products` is float64, of shape (rows, models, models).
    """
    first = 1 if is_based else 0
    models = len(stored) - first

    @entry_point("void(int64, int64[::1], float64[:, :, ::1])")
    def multiply(columns: int, addresses: np.ndarray, products: np.ndarray) -> None:
        base, own = addresses[0], fixed_tuple(addresses[first:], models)
        lanes = np.empty(min(LANES, columns), np.float32)
        totals = np.empty(lanes.size)
        for row in range(products.shape[0]):
            for i in range(models):
                for j in range(i, models):
                    lanes[:] = np.float32(-0.0)  # the only number to which all others are added without a change
                    for at in range(0, columns, LANES):
                        place = row * columns + at
                        for k in range(min(lanes.size, columns - at)):
                            origin = load(base, place + k, stored[0]) if is_based else ZERO
                            one, other = (
                                load(own[i], place + k, stored[first + i]),
                                load(own[j], place + k, stored[first + j]),
                            )
                            lanes[k] += (one - origin) * (other - origin)
                    for k in range(lanes.size):
                        totals[k] = lanes[k]
                    products[row, i, j] = products[row, j, i] = fold(totals)

    return multiply


@cache
def build_stock(stored: tuple[int, ...], result_stored: int) -> Callable[..., bool]:
    """The loop for `nbmerge.methods.model_stock.mix_rows`, see `_SIGNATURE`."""
    models, share = len(stored) - 1, np.float32(1.0 / (len(stored) - 1))

    @entry_point(_SIGNATURE)
    def merge(columns: int, addresses: np.ndarray, result: int, factors: np.ndarray) -> bool:
        base, own = addresses[0], fixed_tuple(addresses[1:], models)
        largest = np.uint32(0)
        for row in range(factors.shape[1]):
            factor = factors[0, row]
            for k in range(row * columns, (row + 1) * columns):
                first = load(own[0], k, stored[1])
                mean = first
                for i in range(1, models):
                    mean = multiply_add(load(own[i], k, stored[i + 1]) - first, share, mean)
                value = (mean - load(base, k, stored[0])) * factor + mean
                largest = larger(largest, value)
                store(result, k, result_stored, value)
        return is_finite(largest, result_stored)

    return merge


@cache
def build_arc(stored: tuple[int, ...], result_stored: int, is_based: bool) -> Callable[..., bool]:
    """The loop for `nbmerge.methods.nuslerp.mix_rows`, see `_SIGNATURE`."""
    first, second = len(stored) - 2, len(stored) - 1

    @entry_point(_SIGNATURE)
    def merge(columns: int, addresses: np.ndarray, result: int, factors: np.ndarray) -> bool:
        base, one, other = addresses[0], addresses[first], addresses[second]
        largest = np.uint32(0)
        for row in range(factors.shape[1]):
            grow, turn = factors[0, row], factors[1, row]
            for k in range(row * columns, (row + 1) * columns):
                a, b = load(one, k, stored[first]), load(other, k, stored[second])
                origin = load(base, k, stored[0]) if is_based else ZERO
                value = (b - a) * turn + ((a - origin) * grow + a)
                largest = larger(largest, value)
                store(result, k, result_stored, value)
        return is_finite(largest, result_stored)

    return merge


def fuse_stock(state: None, values: Values, layout: Layout) -> Fused:
    """The loops for one tensor of model_stock."""
    merge = build_stock(layout.kinds, layout.result_kind)
    return _fuse(merge, model_stock.find_row_factors, True, layout)


def fuse_arc(columns: np.ndarray | None, values: Values, layout: Layout) -> Fused | None:
    """The loops for one tensor of nuslerp; None for arcs of columns."""
    if columns is not None:
        return None
    is_based = has_base(values)
    merge = build_arc(layout.kinds, layout.result_kind, is_based)
    return _fuse(merge, lambda products: nuslerp.find_row_factors(products, values), is_based, layout)


def _fuse(
    merge: Callable[..., bool],
    find_factors: Callable[[np.ndarray], Sequence[np.ndarray]],
    is_based: bool,
    layout: Layout,
) -> Fused:
    multiply, models = build_row_products(layout.kinds, is_based), len(layout.kinds) - is_based

    def fused(inputs: list[torch.Tensor], start: int, result: torch.Tensor) -> bool:
        addresses = locate(inputs)
        products = np.empty((result.numel() // layout.columns, models, models))
        multiply(layout.columns, addresses, products)
        factors = np.array(find_factors(products), np.float32)
        return merge(layout.columns, addresses, result.data_ptr(), factors)

    return fused
