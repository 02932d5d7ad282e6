"""Random masks by a compiled loop: those of `nbmerge.methods.numerics.random_streams.kept`, from the same generator."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types

from nbmerge.kernels.compiler import entry_point, intrinsic, part
from nbmerge.methods.numerics.random_streams import DRAWS, hash_finer_key, hash_key

ROUNDS = 10
_FACTORS = np.uint64(0xD2E7470EE14C6C93), np.uint64(0xCA5A826395121157)
_STEPS = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBB67AE8584CAA73B)
"""Constants of Philox 4×64 (Salmon et al. 2011)."""


@intrinsic
def _multiply(context: Any, a: Any, b: Any) -> Any:
    """The lower and the upper half of the product of two unsigned numbers of 64 bits."""
    halves = types.UniTuple(types.uint64, 2)

    def generate(compiler: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        wide, half = ir.IntType(128), ir.IntType(64)
        product = builder.mul(*(builder.zext(x, wide) for x in arguments))
        upper = builder.lshr(product, ir.Constant(wide, 64))
        return compiler.make_tuple(builder, halves, [builder.trunc(x, half) for x in (product, upper)])

    return halves(types.uint64, types.uint64), generate


@part
def _is_finer(element: int, seed: int, rest: float) -> bool:
    """Whether an element whose eight bits fall on the boundary is kept, by the finaliser of SplitMix64."""
    x = np.uint64(element) * np.uint64(0x9E3779B97F4A7C15) + seed
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.float64((x ^ (x >> np.uint64(31))) >> np.uint64(11)) * 2.0**-53 < rest


@part
def fill_words(words: np.ndarray, step: int, key: np.ndarray) -> None:
    """Random bits: four numbers of 64 bits for each step of the generator's counter, from `step` on."""
    keys = key[0], key[1]
    for s in range(words.size // 4):
        a, b, c, d = np.uint64(step + s + 1), np.uint64(0), np.uint64(0), np.uint64(0)
        one, other = keys
        for _ in range(ROUNDS):
            (first, above_first), (second, above_second) = _multiply(a, _FACTORS[0]), _multiply(c, _FACTORS[1])
            a, b, c, d = above_second ^ b ^ one, second, above_first ^ d ^ other, first
            one, other = one + _STEPS[0], other + _STEPS[1]
        words[4 * s], words[4 * s + 1], words[4 * s + 2], words[4 * s + 3] = a, b, c, d


@cache
def build_mask() -> Callable[..., None]:
    """The loop that decides which elements are kept.

    Returns
    -------
    callable
        ``(words, step, key, whole, rest, seed)``: `words` (uint64, four for each step of the generator's counter, from `step` on)
        become bytes, 1 for elements that are kept and 0 for others. Draws below `whole` are kept, and of those equal to it
        the share `rest`.
    """

    @entry_point("void(uint64[::1], int64, uint64[::1], int64, float64, uint64)")
    def fill_mask(words: np.ndarray, step: int, key: np.ndarray, whole: int, rest: float, seed: int) -> None:
        fill_words(words, step, key)
        draws, limit = words.view(np.uint8), np.uint8(whole)
        if rest == 0.0:
            for k in range(draws.size):
                draws[k] = np.uint8(draws[k] < limit)
            return
        for first in range(0, draws.size, DRAWS):
            on_boundary = np.uint8(0)
            for k in range(first, first + DRAWS):
                on_boundary |= np.uint8(draws[k] == limit)
            if on_boundary:
                for k in range(first, first + DRAWS):
                    is_kept = draws[k] < limit
                    if draws[k] == limit:
                        is_kept = _is_finer(step * DRAWS + k, seed, rest)
                    draws[k] = np.uint8(is_kept)
            else:
                for k in range(first, first + DRAWS):
                    draws[k] = np.uint8(draws[k] < limit)

    return fill_mask


class MaskStream:
    """Masks of one tensor of one model.

    Parameters
    ----------
    key : str
        Names seed, model and tensor.
    probability : float
        Of being kept, in (0, 1).
    """

    def __init__(self, key: str, probability: float):
        whole, self._rest = divmod(probability * 256, 1)
        self._whole, self._fill = int(whole), build_mask()
        self._key, self._seed = hash_key(key).copy(), hash_finer_key(key)[0]

    def __call__(self, start: int, count: int) -> np.ndarray:
        """Bytes for the elements ``start … start + count``, 1 for those that are kept and 0 for others."""
        step, lead = divmod(start, DRAWS)
        words = np.empty(-(-(lead + count) // DRAWS) * (DRAWS // 8), np.uint64)
        self._fill(words, step, self._key, self._whole, self._rest, self._seed)
        return words.view(np.uint8)[lead : lead + count]
