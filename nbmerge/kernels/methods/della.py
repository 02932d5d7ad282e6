"""The loop for `nbmerge.methods.della`: rank the changes of each row, and drop them with the probability of their rank.

numpy sorts, with the vector instructions of the processor. The thinned task vectors are then merged by the loop of TIES and DARE.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache

import numpy as np
import torch

from nbmerge.kernels.compiler import entry_point
from nbmerge.kernels.floats import FLOAT32, ONE, ZERO, bits_of, load
from nbmerge.kernels.masks import fill_words
from nbmerge.kernels.methods.thinned import Combining, ThinnedMix, Thinning
from nbmerge.kernels.operands import Fused, Layout
from nbmerge.methods import Values
from nbmerge.methods.della import probabilities
from nbmerge.methods.numerics.random_streams import UNIFORMS, hash_key

_HIGH, _SIZE = np.uint64(32), np.uint32(0x7FFFFFFF)
_TO_UNIT, _LOW_BITS = np.float32(2.0**-24), np.uint32(8)


@cache
def build_keys(base_stored: int, own_stored: int) -> Callable[..., None]:
    """The loop that prepares the changes of one model for sorting.

    Returns
    -------
    callable
        ``(base, own, changes, keys)``: writes changes (float32, shape (rows, columns)), and whole numbers that are ordered as
        their magnitudes are, equal ones by position (uint64: the magnitude's bits above the column).
    """

    @entry_point("void(int64, int64, float32[:, ::1], uint64[:, ::1])")
    def write_keys(base: int, own: int, changes: np.ndarray, keys: np.ndarray) -> None:
        rows, columns = changes.shape
        for row in range(rows):
            for k in range(columns):
                place = row * columns + k
                change = load(own, place, own_stored) - load(base, place, base_stored)
                changes[row, k] = change
                keys[row, k] = (np.uint64(bits_of(change) & _SIZE) << _HIGH) | np.uint64(k)

    return write_keys


@cache
def build_dropping() -> Callable[..., None]:
    """The loop that drops changes.

    Returns
    -------
    callable
        ``(keys, words, lead, ranked, divides, factor, changes)``: for sorted keys. Element k is dropped unless the uniform number
        made of word lead + k (uint32) is below the probability of its rank, `ranked`; others are divided by that if `divides`,
        and all are multiplied by `factor`.
    """

    @entry_point("void(uint64[:, ::1], uint32[::1], int64, float32[::1], boolean, float32, float32[:, ::1])")
    def drop(
        keys: np.ndarray,
        words: np.ndarray,
        lead: int,
        ranked: np.ndarray,
        divides: bool,
        factor: float,
        changes: np.ndarray,
    ) -> None:
        rows, columns = changes.shape
        for row in range(rows):
            first = lead + row * columns
            for rank in range(columns):
                k, probability = np.int64(np.uint32(keys[row, rank])), ranked[rank]
                drawn = np.float32(words[first + k] >> _LOW_BITS) * _TO_UNIT
                change = changes[row, k] * (ONE if drawn < probability else ZERO)
                if divides:
                    change /= ONE if probability == ZERO else probability
                changes[row, k] = change * factor

    return drop


@cache
def build_uniform() -> Callable[..., None]:
    """The loop ``(words, step, key)`` that fills random bits (uint64), see `nbmerge.kernels.masks.fill_words`."""

    @entry_point("void(uint64[::1], int64, uint64[::1])")
    def fill(words: np.ndarray, step: int, key: np.ndarray) -> None:
        fill_words(words, step, key)

    return fill


class _Dropping:
    """Drops changes of one model, as `nbmerge.methods.della` does."""

    def __init__(self, values: Values, i: int, factor: float, layout: Layout):
        self._density, self._factor = values.each["density"][i], float(np.float32(factor))
        self._divides, self._columns = values["rescale"] is True, layout.columns
        self._key, self._fill = hash_key(values.streams[i]).copy(), build_uniform()
        self._write_keys, self._drop = build_keys(layout.kinds[0], layout.kinds[i]), build_dropping()
        epsilon = values.each["epsilon"][i]
        self._ranked = probabilities(layout.columns, self._density, epsilon).astype(np.float32)

    def __call__(self, base: torch.Tensor, own: torch.Tensor, start: int, changes: torch.Tensor) -> None:
        """Write what is left of a block's changes (float32)."""
        if self._density >= 1:
            changes.copy_(own).sub_(base).mul_(self._factor)
        elif self._density <= 0:
            changes.zero_()
        else:
            step, lead = divmod(start, UNIFORMS)
            words = np.empty(-(-(lead + changes.numel()) // UNIFORMS) * (UNIFORMS // 2), np.uint64)
            self._fill(words, step, self._key)
            rows = changes.view(-1, self._columns).numpy()
            keys = np.empty(rows.shape, np.uint64)
            self._write_keys(base.data_ptr(), own.data_ptr(), rows, keys)
            keys.sort(axis=1)
            self._drop(keys, words.view(np.uint32), lead, self._ranked, self._divides, self._factor, rows)


def fuse(combine: Callable[[Values], Combining], factors: list[float], values: Values, layout: Layout) -> Fused:
    """The loops for one tensor."""
    models, combining = len(layout.kinds) - 1, combine(values)
    dropping = [_Dropping(values, i, factors[i], layout) for i in range(1, models + 1)]
    changed = replace(layout, kinds=(layout.kinds[0], *[FLOAT32] * models))
    merge = ThinnedMix([Thinning(w) for w in values.each["weight"][1:]], combining, changed, are_changes=True)

    def fused(inputs: list[torch.Tensor], start: int, result: torch.Tensor) -> bool:
        changes = torch.empty(models, result.numel())
        for drop, own, rest in zip(dropping, inputs[1:], changes, strict=True):
            drop(inputs[0], own, start, rest)
        return merge([inputs[0], *changes], start, result)

    return fused
