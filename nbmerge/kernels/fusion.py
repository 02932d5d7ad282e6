"""Which compiled loops do the work of which functions: the mix functions of methods, weighted sums, and passes over tensors.

The functions of `nbmerge.methods` and `nbmerge.engine.compute` define what is computed; a loop gives the same bytes. Where there is
no loop for a function, a dtype or a number of models, and for a block whose result is not finite, the function itself is called.
Importing this imports numba.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch

from nbmerge.kernels.bit_histograms import build_histograms, number_prefixes
from nbmerge.kernels.differences import build_differences, build_exponents
from nbmerge.kernels.gram import build_products
from nbmerge.kernels.magnitudes import survey
from nbmerge.kernels.methods import consensus as consensus_loop
from nbmerge.kernels.methods import della as della_loop
from nbmerge.kernels.methods import nearswap as nearswap_loop
from nbmerge.kernels.methods import ram as ram_loop
from nbmerge.kernels.methods import rows, thinned
from nbmerge.kernels.methods import sce as sce_loop
from nbmerge.kernels.operands import STORED, Fused, Layout, find_common_kind, find_kinds, locate
from nbmerge.kernels.trimming import build_trimming
from nbmerge.kernels.weighted_sum import build_interpolation, build_interpolations, build_sum
from nbmerge.methods import (
    Elementwise,
    Values,
    breadcrumbs,
    consensus,
    dare,
    della,
    model_stock,
    nearswap,
    nuslerp,
    ram,
    sce,
    ties,
)
from nbmerge.methods.numerics.selection import Request

MOST_MODELS = 16
"""Inputs from which on nothing is fused: a loop keeps several numbers of each in registers."""

Fuse = Callable[[Any, Values, Layout], "Fused | None"]
"""``(state, values, layout)``: the loop for one tensor, if there is one."""

MIXES: dict[Callable[..., Any], Fuse] = {
    ties.mix: partial(thinned.fuse, thinned.ties),
    dare.mix_sum: partial(thinned.fuse, thinned.dare_sum),
    dare.mix_votes: partial(thinned.fuse, thinned.dare_votes),
    breadcrumbs.mix_sum: partial(thinned.fuse, thinned.breadcrumbs_sum),
    breadcrumbs.mix_votes: partial(thinned.fuse, thinned.breadcrumbs_votes),
    consensus.mix: consensus_loop.fuse,
    nearswap.mix: nearswap_loop.fuse,
    ram.mix: ram_loop.fuse,
    model_stock.mix_rows: rows.fuse_stock,
    nuslerp.mix_rows: rows.fuse_arc,
    sce.mix: sce_loop.fuse,
    della.mix_sum: partial(della_loop.fuse, thinned.Combining.by_sum),
    della.mix_votes: partial(della_loop.fuse, thinned.Combining.by_election),
}
LOOKS: dict[Callable[..., Any], Callable[..., Any]] = {
    ram.count_changes: ram_loop.fuse_counts,
    sce.variances: sce_loop.fuse_variances,
    sce.energies: sce_loop.fuse_energies,
}


def fuse_mix(
    method: Elementwise, state: Any, values: Values, dtypes: Sequence[str], dtype: str, columns: int
) -> Fused | None:
    """The loop for a method's mix function; None if there is none.

    Parameters
    ----------
    method : Elementwise
    state : object
        What its `look` returned.
    values : Values
    dtypes, dtype : sequence of str, str
        Of the inputs and of the result.
    columns : int
        Length of a row.
    """
    kinds, fuse = _find_kinds(dtypes, dtype), MIXES.get(method.mix)
    return None if kinds is None or fuse is None else fuse(state, values, Layout(kinds, STORED[dtype], columns))


def fuse_look(
    function: Callable[..., Any], arguments: tuple[Any, ...], dtypes: Sequence[str]
) -> Callable[[list[torch.Tensor], int], Any] | None:
    """The loop for a function of blocks that a method's `look` calls; None if there is none.

    Parameters
    ----------
    function : callable
        ``(inputs, start, *arguments)``
    arguments : tuple
    dtypes : sequence of str
        Of the inputs.

    Returns
    -------
    callable or None
        ``(inputs, start)``: what the function returns, for inputs as they are stored; None where the function must be called.
    """
    kinds, fuse = _find_kinds(dtypes, "float32"), LOOKS.get(function)
    return None if kinds is None or fuse is None else fuse(kinds, *arguments)


def fuse_interpolation(weight: float, dtypes: Sequence[str], dtype: str) -> Fused | None:
    """The loop for a + w (b − a)."""
    kinds = _find_kinds(dtypes, dtype)
    if kinds is None:
        return None
    interpolate, factor = build_interpolation(kinds, STORED[dtype]), np.float32(weight)

    def fused(inputs: list[torch.Tensor], start: int, result: torch.Tensor) -> bool:
        return interpolate(result.numel(), locate(inputs), result.data_ptr(), factor)

    return fused


def fuse_interpolations(
    weights: Sequence[float], dtypes: Sequence[str], dtype: str
) -> Callable[[list[torch.Tensor], list[torch.Tensor]], bool] | None:
    """The loop for a + wᵢ (b − a) with several weights, which reads a and b once.

    Returns
    -------
    callable or None
        ``(inputs, results)``: computes one block of each result; whether all are finite.
    """
    kinds = _find_kinds(dtypes, dtype)
    if kinds is None or len(kinds) != 2:
        return None
    interpolate = build_interpolations((kinds[0], kinds[1]), STORED[dtype], len(weights))
    factors = np.array(weights, np.float32)

    def fused(inputs: list[torch.Tensor], results: list[torch.Tensor]) -> bool:
        return interpolate(results[0].numel(), locate(inputs), locate(results), factors)

    return fused


def fuse_sum(weights: Sequence[float], from_first: bool, dtypes: Sequence[str], dtype: str) -> Fused | None:
    """The loop for Σ wᵢxᵢ; or, `from_first`, for x₀ + Σ wᵢ(xᵢ − x₀)."""
    kinds = _find_kinds(dtypes, dtype)
    if kinds is None:
        return None
    add, factors = build_sum(kinds, STORED[dtype], from_first), np.array(weights, np.float32)

    def fused(inputs: list[torch.Tensor], start: int, result: torch.Tensor) -> bool:
        return add(result.numel(), locate(inputs), result.data_ptr(), factors)

    return fused


def fuse_survey(dtypes: Sequence[str]) -> Callable[[Request, int, torch.Tensor, torch.Tensor], None] | None:
    """The loops that fill a search's requests about |b − a|, see `nbmerge.kernels.magnitudes.survey`."""
    return None if find_kinds(dtypes) is None else survey


def fuse_products(dtypes: Sequence[str]) -> Callable[[list[torch.Tensor], np.ndarray], None] | None:
    """The loop that adds the inner products of a block's [W₀, W₁ − W₀, …] to a Gram matrix, see `Blocks.gram`."""
    kinds = _find_kinds(dtypes, "float32")
    if kinds is None:
        return None
    add = build_products(kinds)
    return lambda inputs, gram: add(inputs[0].numel(), locate(inputs), gram)


def fuse_differences(dtypes: Sequence[str], bins: int, lowest: int, samples: int) -> Callable[..., None] | None:
    """The loops that count the differences of a block from its base; None for float32, whose sums are in float64.

    Returns
    -------
    callable or None
        ``(blocks, exponents, gram, largest, same, opposite, equal, histogram, mass)``, see `nbmerge.statistics.tally.Tally`.
    """
    kind, multiply = find_common_kind(dtypes), fuse_products(dtypes)
    if kind is None or kind == STORED["float32"] or multiply is None or len(dtypes) < 2:
        return None
    add, sample = build_differences(len(dtypes) - 1, kind, bins, lowest), build_exponents(kind)

    def fused(blocks: list[torch.Tensor], exponents: np.ndarray, gram: np.ndarray, *sums: np.ndarray) -> None:
        count = blocks[0].numel()
        sample(count, blocks[0].data_ptr(), max(1, count // samples), exponents)
        multiply(blocks, gram)
        add(count, locate(blocks), *sums)

    return fused


def fuse_histograms(
    dtypes: Sequence[str], prefixes: Sequence[int] | None
) -> Callable[[torch.Tensor, torch.Tensor, np.ndarray], None] | None:
    """The loop that counts |b − a| by 16 of their bits.

    Parameters
    ----------
    dtypes : sequence of str
        Of the base and of the model.
    prefixes : sequence of int or None
        Upper bits of the magnitudes whose lower bits are counted; None to count upper bits.

    Returns
    -------
    callable or None
        ``(base, own, histograms)``: adds a block to histograms (int64, shape (number of prefixes or 1, 65536)).
    """
    if (kinds := find_kinds(dtypes)) is None:
        return None
    add, what = build_histograms(kinds[0], kinds[1]), (prefixes is None, number_prefixes(prefixes or ()))
    return lambda base, own, counted: add(base.numel(), base.data_ptr(), own.data_ptr(), *what, counted)


def fuse_trimming(dtypes: Sequence[str], lanes: int) -> Callable[..., None] | None:
    """The loop that counts what trimming leaves of a block.

    Returns
    -------
    callable or None
        ``(blocks, thresholds, ties, *arrays)``, see `nbmerge.kernels.trimming.build_trimming`.
    """
    if (kinds := _find_kinds(dtypes, "float32")) is None:
        return None
    count = build_trimming(kinds, lanes)
    return lambda blocks, *arrays: count(blocks[0].numel(), locate(blocks), *arrays)


def _find_kinds(dtypes: Sequence[str], dtype: str) -> tuple[int, ...] | None:
    return find_kinds(dtypes) if dtype in STORED and len(dtypes) <= MOST_MODELS else None
