"""One loop for methods that thin out task vectors, weigh them, add them up or elect signs, and add the result to the base.

That is TIES, DARE and breadcrumbs; the steps are those of `nbmerge.methods.numerics.sign_election` and of the methods' modules,
each of them rounded to float32 in the same order.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np

from nbmerge.kernels.compiler import entry_point, fixed_tuple, part, prefer_wide_vectors
from nbmerge.kernels.floats import ONE, ZERO, is_finite, larger, load, load_byte, multiply_add, store
from nbmerge.methods.numerics.sign_election import ALMOST_ZERO

SUM, ELECT_BY_SUM, ELECT_BY_COUNT = 0, 1, 2
"""How weighted task vectors are combined."""
PLAIN, BY_SHARE, BY_POSITIVE_SHARE = 0, 1, 2
"""What an elected sum is divided by: nothing, or the sum of the weights that agree; the last if all weights are positive."""
_ALMOST_ZERO = np.float32(ALMOST_ZERO)


@part
def _thin(number: float, origin: float, cut: float, outlier: float, has_outliers: bool, is_change: bool) -> float:
    """The change from the base without what is dropped because of its size; a NaN remains."""
    if is_change:
        return number
    change = number - origin
    middle = ZERO if abs(change) <= cut else change
    return middle - (ZERO if abs(change) <= outlier else change) if has_outliers else middle


@part
def _vote(change: float, combine: int) -> float:
    if combine == ELECT_BY_COUNT:
        return (ONE if change > ZERO else ZERO) - (ONE if change < ZERO else ZERO)
    return change


@part
def _divide(merged: float, share: float, least: float, divide: int) -> float:
    if divide == PLAIN:
        return merged
    if divide == BY_POSITIVE_SHARE:
        return merged / (least if share < least else share)
    return merged / (share + (ONE if abs(share) < _ALMOST_ZERO else ZERO))


@cache
def build(
    stored: tuple[int, ...],
    result_stored: int,
    combine: int,
    divide: int,
    has_masks: bool = False,
    has_outliers: bool = False,
    are_changes: bool = False,
) -> Callable[..., bool]:
    """The loop with these constants.

    Parameters
    ----------
    stored, result_stored : tuple of int, int
        How the base and each model are stored, and the result, see `nbmerge.kernels.floats`.
    combine, divide : int
        See the constants of this module.
    has_masks : bool
        Whether task vectors are multiplied by bytes.
    has_outliers : bool
        Whether large changes are subtracted.
    are_changes : bool
        Whether all inputs but the base are changes that are thinned already.

    Returns
    -------
    callable
        ``(count, addresses, result, cuts, masks, factors, weights, scale) -> bool``: merges `count` numbers; whether the result is
        finite. `addresses` are those of the base and of the models, `cuts` (float32, shape (2, models)) the magnitudes up to
        which changes are dropped and from which on they are outliers, `masks` addresses of bytes, `factors` what changes are
        multiplied by, `weights` what elected sums are divided by where models agree, and `scale` a factor on what is added to
        the base.
    """
    models = len(stored) - 1

    @entry_point("boolean(int64, int64[::1], int64, float32[:, ::1], int64[::1], float32[::1], float32[::1], float32)")
    def merge_task_vectors(
        count: int,
        addresses: np.ndarray,
        result: int,
        cuts: np.ndarray,
        masks: np.ndarray,
        factors: np.ndarray,
        weights: np.ndarray,
        scale: float,
    ) -> bool:
        prefer_wide_vectors()
        base, own, mask = addresses[0], fixed_tuple(addresses[1:], models), fixed_tuple(masks, models)
        cut, outlier = fixed_tuple(cuts[0], models), fixed_tuple(cuts[1], models)
        factor, weight, least = fixed_tuple(factors, models), fixed_tuple(weights, models), weights.min()
        largest = np.uint32(0)
        for k in range(count):
            origin = load(base, k, stored[0])
            total = ZERO
            for i in range(models):
                change = _thin(load(own[i], k, stored[i + 1]), origin, cut[i], outlier[i], has_outliers, are_changes)
                if has_masks:
                    change *= np.float32(load_byte(mask[i], k))
                vote = _vote(change * factor[i], combine)
                total = vote if i == 0 else total + vote
            merged = total
            if combine != SUM:
                sign = ONE if total >= ZERO else -ONE
                share = ZERO
                for i in range(models):  # the compiler sees that these are the same changes
                    change = _thin(
                        load(own[i], k, stored[i + 1]), origin, cut[i], outlier[i], has_outliers, are_changes
                    )
                    if has_masks:
                        change *= np.float32(load_byte(mask[i], k))
                    agreeing = change * factor[i] * sign
                    share += weight[i] if agreeing > ZERO else ZERO
                    agreeing = ZERO if agreeing < ZERO else agreeing
                    merged = agreeing if i == 0 else merged + agreeing
                merged = _divide(merged * sign, share, least, divide)
            value = multiply_add(merged, scale, origin)
            largest = larger(largest, value)
            store(result, k, result_stored, value)
        return is_finite(largest, result_stored)

    return merge_task_vectors
