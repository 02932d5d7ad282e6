"""Compute one output tensor, block by block: for disk, live models, statistics and previews."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from nbmerge.engine.compute.blocks import Blocks
from nbmerge.engine.compute.fused import fuse
from nbmerge.engine.compute.workspace import BlockAt, Emit, Read, Workspace
from nbmerge.engine.planning.plans import TensorPlan
from nbmerge.methods import Combination
from nbmerge.methods.numerics import add_scaled_, interpolate


def compute(tensor: TensorPlan, blocks: Blocks, emit: Emit, span: slice = slice(None)) -> str | None:
    """Compute a tensor, or a span of its blocks, and pass the blocks to `emit` in order.

    Returns
    -------
    str or None
        A note if a special case of the method applied.
    """
    block_at, note = prepare(tensor, blocks)
    blocks.workspace.deliver(blocks.starts()[span], block_at, emit)
    return note


def prepare(tensor: TensorPlan, blocks: Blocks) -> tuple[BlockAt, str | None]:
    """Scan the inputs of a tensor if its method needs it, so that each block of the result can be computed independently."""
    method = tensor.how
    dtype = getattr(torch, tensor.dtype)
    if isinstance(method, Combination):
        gram = blocks.gram() if method.needs_gram else None
        if gram is not None and not np.isfinite(gram).all():
            return _weighted_sum(blocks, _without_angles(tensor, method), dtype), None
        note = method.note(tensor.values, gram) if method.note else None
        return _weighted_sum(blocks, method.coefficients(tensor.values, gram), dtype), note
    used = without_unused_inputs(tensor)
    if used is not tensor and len(used.inputs) == 1:
        return lambda start: blocks.stored(0, start).to(dtype), None
    if used is not tensor:
        tensor, blocks = used, blocks.restricted(used)
    state = blocks.scan(method, tensor.values)

    def mixed(start: int) -> torch.Tensor:
        return _rounded(method.mix(blocks.at(start), start, state, tensor.values).reshape(-1), dtype, blocks, start)

    def find(loops: Any, dtypes: list[str], dtype: str) -> Any:
        return loops.fuse_mix(method, state, tensor.values, dtypes, dtype, blocks.columns)

    return fuse(mixed, blocks, range(len(tensor.inputs)), dtype, find), None


def open_merge(source: TensorPlan, workspace: Workspace, slot: int) -> Read:
    """Read a nested merge: its blocks are computed when they are read."""
    blocks = Blocks(source, workspace.nested())
    block_at, _ = prepare(source, blocks)

    def read(start: int, count: int) -> torch.Tensor:
        first = start - start % blocks.step
        if start == first and blocks.size(start) == count:
            return block_at(start)
        # The caller's blocks have another size.
        pieces = [block_at(s).clone() for s in range(first, start + count, blocks.step)]
        return torch.cat(pieces)[start - first : start - first + count]

    return read


def _without_angles(tensor: TensorPlan, method: Combination) -> list[float]:
    """Coefficients if NaN or infinity in an input makes angles undefined.

    Inputs that the parameters exclude, as the coefficients for another Gram matrix show, stay excluded; all others get NaN.
    """
    count = len(tensor.inputs)
    ordinary = method.coefficients(tensor.values, np.eye(count) + 1.0)
    used = [c != 0 for c in ordinary]
    return list(ordinary) if sum(used) == 1 else [math.nan if u else 0.0 for u in used]


def without_unused_inputs(tensor: TensorPlan) -> TensorPlan:
    """The tensor without inputs of weight 0: they are not read, so their NaN cannot reach the result."""
    weights = tensor.values.each.get("weight")
    if (
        weights is None or weights[0] is not None or 0 not in weights
    ):  # without a base, a weight of 0 may have a meaning
        return tensor
    return tensor.restricted([i for i, w in enumerate(weights) if w != 0])


def _weighted_sum(blocks: Blocks, coefficients: Sequence[float], dtype: torch.dtype) -> BlockAt:
    """Blocks of Σ cᵢWᵢ.

    Inputs with coefficient 0 are not read, so that their NaN cannot reach the result, and a single input with coefficient 1
    is copied bit for bit. Coefficients that sum to one are applied as W₀ + Σ cᵢ(Wᵢ − W₀): the merge
    of a model with itself is then exactly that model.
    """
    used = [i for i, c in enumerate(coefficients) if c != 0]
    weights = [float(coefficients[i]) for i in used]
    if not used:
        nothing = torch.zeros(min(blocks.step, blocks.count), dtype=dtype)
        return lambda start: nothing[: blocks.size(start)]
    affine = abs(sum(weights) - 1.0) < 1e-12
    if affine and len(used) == 1:
        return lambda start: blocks.stored(used[0], start).to(dtype)
    if affine and len(used) == 2:

        def interpolated(start: int) -> torch.Tensor:
            return _lerp(blocks, used, weights[1], start, dtype).to(dtype)

        return fuse(interpolated, blocks, used, dtype, lambda loops, *how: loops.fuse_interpolation(weights[1], *how))
    mix = _anchored if affine else _summed

    def summed(start: int) -> torch.Tensor:
        return _rounded(mix(blocks.rows(start, used), weights), dtype, blocks, start)

    return fuse(summed, blocks, used, dtype, lambda loops, *how: loops.fuse_sum(weights, affine, *how))


def _rounded(block: torch.Tensor, dtype: torch.dtype, blocks: Blocks, start: int) -> torch.Tensor:
    """A block in the output's dtype, in the target memory if there is any."""
    target = blocks.target_at(start)
    return block.to(dtype) if target is None else target.copy_(block)


def _anchored(rows: torch.Tensor, weights: list[float]) -> torch.Tensor:
    first, *rest = rows.unbind()
    block = first.clone()
    for own, weight in zip(rest, weights[1:], strict=True):
        add_scaled_(block, own.sub_(first), weight)
    return block


def _summed(rows: torch.Tensor, weights: list[float]) -> torch.Tensor:
    block, *rest = rows.unbind()
    block.mul_(weights[0])
    for own, weight in zip(rest, weights[1:], strict=True):
        add_scaled_(block, own, weight)
    return block


def _lerp(blocks: Blocks, used: list[int], weight: float, start: int, dtype: torch.dtype) -> torch.Tensor:
    """A + w(b − a). torch computes it in float32 and rounds once, so equal dtypes are mixed as they are stored."""
    if {getattr(torch, blocks.inputs[i].dtype) for i in used} == {dtype}:
        pair = blocks.stored(used[0], start), blocks.stored(used[1], start)
        return interpolate(*pair, weight, out=blocks.target_at(start))
    first, second = blocks.rows(start, used).unbind()
    return interpolate(first, second, weight, out=first)
