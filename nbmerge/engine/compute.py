"""Make one output tensor, block by block. Disk, live model and preview all come through here."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from nbmerge.engine.blocks import Blocks
from nbmerge.engine.plan import TensorPlan
from nbmerge.methods import Combination, methods

Emit = Callable[[int, torch.Tensor], None]
"""Takes (start, block): elements from `start` on, in the output's dtype; the block is only valid during the call."""


def compute(tensor: TensorPlan, blocks: Blocks, emit: Emit) -> str | None:
    """Compute a tensor and hand it on in order.

    Returns
    -------
    str or None
        The special case that it was, in words, where the method knows any.
    """
    method = methods()[tensor.method]
    dtype = getattr(torch, tensor.dtype)
    if isinstance(method, Combination):
        gram = blocks.gram() if method.needs_gram else None
        weighted_sum(blocks, method.coefficients(tensor.values, gram), dtype, emit)
        return method.note(tensor.values, gram) if method.note else None
    state = method.look(blocks, tensor.values)
    for start, inputs in blocks:
        emit(start, method.mix(inputs, start, state, tensor.values).to(dtype))
    return None


def weighted_sum(blocks: Blocks, coefficients: Sequence[float], dtype: torch.dtype, emit: Emit) -> None:
    """Emit Σ cᵢWᵢ.

    Inputs with coefficient 0 are not read, so that nothing of them (a NaN, say) can reach the result, and a single
    input with coefficient 1 passes bit for bit. Coefficients that sum to one are applied as W₀ + Σ cᵢ(Wᵢ − W₀): the merge
    of a model with itself is then exactly that model.
    """
    used = [i for i, c in enumerate(coefficients) if c != 0]
    weights = [float(coefficients[i]) for i in used]
    affine = abs(sum(weights) - 1.0) < 1e-12
    for start in blocks.starts():
        if affine and len(used) == 1:
            block = blocks.stored(used[0], start)
        elif affine and len(used) == 2:
            block = _lerp(blocks, used, weights[1], start)
        elif affine:
            first, *rest = blocks.rows(start, used).unbind()
            block = first.clone()
            for own, weight in zip(rest, weights[1:], strict=True):
                block.add_(own.sub_(first), alpha=weight)
        elif used:
            block, *rest = blocks.rows(start, used).unbind()
            block.mul_(weights[0])
            for own, weight in zip(rest, weights[1:], strict=True):
                block.add_(own, alpha=weight)
        else:
            block = torch.zeros(blocks.size(start), dtype=dtype)
        emit(start, block.to(dtype))


def _lerp(blocks: Blocks, used: list[int], weight: float, start: int) -> torch.Tensor:
    """a + w(b − a). torch computes it in float32 inside and rounds once, so the stored dtype can be mixed as it is."""
    a, b = (blocks.inputs[i].dtype for i in used)
    if a == b:
        return torch.lerp(blocks.stored(used[0], start), blocks.stored(used[1], start), weight)
    first, second = blocks.rows(start, used).unbind()
    return first.lerp_(second, weight)
