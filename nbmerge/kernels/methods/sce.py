"""The loops for `nbmerge.methods.sce`: variances over the models, energies of what is selected, and the merge."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from itertools import pairwise

import numpy as np
import torch

from nbmerge.kernels.compiler import entry_point, fixed_tuple, part
from nbmerge.kernels.floats import ONE, ZERO, is_finite, larger, load, multiply_add, store
from nbmerge.kernels.folding import fold
from nbmerge.kernels.operands import Fused, Layout, locate
from nbmerge.methods import Values
from nbmerge.methods.numerics import Cut


@part
def _variance(own: tuple[int, ...], stored: tuple[int, ...], k: int, share: float) -> float:
    """Variance over the models, as `nbmerge.methods.sce` computes it; `share` is 1 / models, rounded."""
    first, mean = load(own[0], k, stored[1]), ZERO
    for i in range(1, len(own)):
        mean = multiply_add(load(own[i], k, stored[i + 1]) - first, share, mean)
    total = mean * mean
    for i in range(1, len(own)):
        apart = (load(own[i], k, stored[i + 1]) - first) - mean
        total += apart * apart
    return total / np.float32(len(own))


@cache
def build_variances(stored: tuple[int, ...]) -> Callable[..., None]:
    """The loop for inputs that are stored so, the base first.

    Returns
    -------
    callable
        ``(count, addresses, variances)``: writes the variance of each element (float32).
    """
    models, share = len(stored) - 1, np.float32(1 / (len(stored) - 1))

    @entry_point("void(int64, int64[::1], float32[::1])")
    def find_variances(count: int, addresses: np.ndarray, variances: np.ndarray) -> None:
        own = fixed_tuple(addresses[1:], models)
        for k in range(count):
            variances[k] = _variance(own, stored, k, share)

    return find_variances


@cache
def build_energy(base_stored: int, own_stored: int) -> Callable[..., float]:
    """The loop that sums the squares of one model's changes.

    Returns
    -------
    callable
        ``(base, own, kept) -> float``: Σδ² over the elements that are kept (bytes, 1 or 0), in the order of
        `nbmerge.methods.numerics.sums.squares`.
    """

    @entry_point("float64(int64, int64, uint8[::1])")
    def add_squares(base: int, own: int, kept: np.ndarray) -> float:
        count, half = kept.size, 1
        while 2 * half < count:
            half *= 2
        half = min(half, count)
        terms = np.empty(half)
        for k in range(half):
            change = np.float64(load(own, k, own_stored) - load(base, k, base_stored))
            terms[k] = change * change if kept[k] else 0.0
        for k in range(half, count):
            change = np.float64(load(own, k, own_stored) - load(base, k, base_stored))
            terms[k - half] += change * change if kept[k] else 0.0
        return fold(terms)

    return add_squares


@cache
def build_merge(stored: tuple[int, ...], result_stored: int, has_cut: bool) -> Callable[..., bool]:
    """The loop that merges.

    Returns
    -------
    callable
        ``(count, addresses, result, cut, weights) -> bool``: merges the elements whose variance is above `cut`; whether the
        result is finite.
    """
    models, share = len(stored) - 1, np.float32(1 / (len(stored) - 1))

    @entry_point("boolean(int64, int64[::1], int64, float32, float32[::1])")
    def merge(count: int, addresses: np.ndarray, result: int, cut: float, weights: np.ndarray) -> bool:
        base, own, weight = addresses[0], fixed_tuple(addresses[1:], models), fixed_tuple(weights, models)
        largest = np.uint32(0)
        for k in range(count):
            origin, kept = load(base, k, stored[0]), True
            if has_cut:
                kept = not _variance(own, stored, k, share) <= cut  # NaN is kept
            total = load(own[0], k, stored[1]) - origin
            for i in range(1, models):
                total += load(own[i], k, stored[i + 1]) - origin
            sign = ONE if total >= ZERO else -ONE
            merged, agreed = ZERO, ZERO
            for i in range(models):
                change = load(own[i], k, stored[i + 1]) - origin
                agrees = ONE if change * sign > ZERO else ZERO
                merged = multiply_add(change * agrees, weight[i], merged)
                agreed += agrees * weight[i]
            merged /= ONE if agreed == ZERO else agreed
            value = origin + (merged if kept else ZERO)
            largest = larger(largest, value)
            store(result, k, result_stored, value)
        return is_finite(largest, result_stored)

    return merge


class _Selection:
    """Where a cut keeps what, block by block; variances at most as large as a number are dropped, and zero always is."""

    def __init__(self, cut: Cut | None, kinds: tuple[int, ...]):
        self._cut, self._kinds = cut, kinds

    def spans(self, inputs: list[torch.Tensor], start: int) -> Iterator[tuple[int, int, np.float32]]:
        """(first, end, largest variance that is dropped) of the parts of a block."""
        count = inputs[0].numel()
        if self._cut is None:
            yield 0, count, np.float32(-1)
            return
        strict, left = np.float32(self._cut.threshold), self._cut.count_ties(start)
        below = np.maximum(np.nextafter(strict, np.float32(-np.inf)), np.float32(0))
        end = count if left is None else self._end_of_ties(inputs, strict, left)
        for first, last in pairwise(sorted({0, end, count})):
            yield first, last, below if first < end else strict

    def kept(self, inputs: list[torch.Tensor], start: int) -> np.ndarray:
        """1 for the elements of a block that are kept, and 0 for others."""
        if self._cut is None:
            return np.ones(inputs[0].numel(), np.uint8)
        variances = variances_of(self._kinds, inputs)
        dropped = np.empty(variances.size, bool)
        for first, end, limit in self.spans(inputs, start):
            np.less_equal(variances[first:end], limit, out=dropped[first:end])
        return np.logical_not(dropped, out=dropped).view(np.uint8)

    def _end_of_ties(self, inputs: list[torch.Tensor], value: np.float32, left: int) -> int:
        """The index behind the last element equal to the threshold that is kept."""
        if left == 0:
            return 0
        equal = np.flatnonzero(variances_of(self._kinds, inputs) == value)
        return int(equal[left - 1]) + 1 if left <= equal.size else inputs[0].numel()


def variances_of(kinds: tuple[int, ...], inputs: list[torch.Tensor]) -> np.ndarray:
    """What `nbmerge.methods.sce.variances` returns."""
    found = np.empty(inputs[0].numel(), np.float32)
    build_variances(kinds)(found.size, locate(inputs), found)
    return found


def fuse_variances(kinds: tuple[int, ...]) -> Callable[[list[torch.Tensor], int], np.ndarray]:
    """The loop for `nbmerge.methods.sce.variances`."""
    return lambda inputs, start: variances_of(kinds, inputs)


def fuse_energies(kinds: tuple[int, ...], cut: Cut | None) -> Callable[[list[torch.Tensor], int], list[float]] | None:
    """The loops for `nbmerge.methods.sce.energies`."""
    if cut is not None and cut.threshold == np.inf:
        return None
    selection, loops = _Selection(cut, kinds), [build_energy(kinds[0], own) for own in kinds[1:]]

    def find_energies(inputs: list[torch.Tensor], start: int) -> list[float]:
        base, *tuned = (block.data_ptr() for block in inputs)
        kept = selection.kept(inputs, start)
        return [add(base, own, kept) for add, own in zip(loops, tuned, strict=True)]

    return find_energies


def fuse(state: tuple[Cut | None, list[float]], values: Values, layout: Layout) -> Fused | None:
    """The loop for one tensor."""
    cut, shares = state
    if cut is not None and cut.threshold == np.inf:
        return None
    selection, weights = _Selection(cut, layout.kinds), np.array(shares, np.float32)
    merge = build_merge(layout.kinds, layout.result_kind, cut is not None)

    def fused(inputs: list[torch.Tensor], start: int, result: torch.Tensor) -> bool:
        addresses, steps = locate(inputs), np.array([block.element_size() for block in inputs], np.int64)
        finite = True
        for first, end, limit in selection.spans(inputs, start):
            target = result.data_ptr() + first * result.element_size()
            finite &= merge(end - first, addresses + first * steps, target, limit, weights)
        return finite

    return fused
