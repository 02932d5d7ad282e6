"""Loops for weighted sums of tensors."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np

from nbmerge.kernels.compiler import entry_point, fixed_tuple
from nbmerge.kernels.floats import is_finite, larger, load, multiply_add, store


@cache
def build_interpolation(stored: tuple[int, int], result_stored: int) -> Callable[..., bool]:
    """The loop for a + w (b − a), from the nearer end, as `torch.lerp` computes it.

    Returns
    -------
    callable
        ``(count, addresses, result, weight) -> bool``: whether the result is finite.
    """

    @entry_point("boolean(int64, int64[::1], int64, float32)")
    def interpolate(count: int, addresses: np.ndarray, result: int, weight: float) -> bool:
        from_first = abs(weight) < np.float32(0.5)
        first, second = addresses[0], addresses[1]  # not in the loop: what it writes could be the addresses
        factor = weight if from_first else weight - np.float32(1)
        largest = np.uint32(0)
        for k in range(count):
            one, other = load(first, k, stored[0]), load(second, k, stored[1])
            value = multiply_add(factor, other - one, one if from_first else other)
            largest = larger(largest, value)
            store(result, k, result_stored, value)
        return is_finite(largest, result_stored)

    return interpolate


@cache
def build_interpolations(stored: tuple[int, int], result_stored: int, count: int) -> Callable[..., bool]:
    """The loop for a + wᵢ (b − a), each from the nearer end, as `torch.lerp` computes it.

    Returns
    -------
    callable
        ``(count, addresses, results, weights) -> bool``: whether the results are finite.
    """
    results_count = count

    @entry_point("boolean(int64, int64[::1], int64[::1], float32[::1])")
    def interpolate(count: int, addresses: np.ndarray, results: np.ndarray, weights: np.ndarray) -> bool:
        first, second = addresses[0], addresses[1]
        own, weight = fixed_tuple(results, results_count), fixed_tuple(weights, results_count)
        largest = np.uint32(0)
        for k in range(count):
            one, other = load(first, k, stored[0]), load(second, k, stored[1])
            difference = other - one
            for i in range(results_count):
                from_first = abs(weight[i]) < np.float32(0.5)
                factor = weight[i] if from_first else weight[i] - np.float32(1)
                value = multiply_add(factor, difference, one if from_first else other)
                largest = larger(largest, value)
                store(own[i], k, result_stored, value)
        return is_finite(largest, result_stored)

    return interpolate


@cache
def build_sum(stored: tuple[int, ...], result_stored: int, from_first: bool) -> Callable[..., bool]:
    """The loop for Σ wᵢxᵢ; or, `from_first`, for x₀ + Σ wᵢ(xᵢ − x₀), where the weights sum to one.

    Returns
    -------
    callable
        ``(count, addresses, result, weights) -> bool``: whether the result is finite.
    """
    models = len(stored)

    @entry_point("boolean(int64, int64[::1], int64, float32[::1])")
    def add_weighted(count: int, addresses: np.ndarray, result: int, weights: np.ndarray) -> bool:
        own, weight = fixed_tuple(addresses, models), fixed_tuple(weights, models)
        largest = np.uint32(0)
        for k in range(count):
            first = load(own[0], k, stored[0])
            value = first if from_first else first * weight[0]
            for i in range(1, models):
                number = load(own[i], k, stored[i])
                value = multiply_add(number - first if from_first else number, weight[i], value)
            largest = larger(largest, value)
            store(result, k, result_stored, value)
        return is_finite(largest, result_stored)

    return add_weighted
