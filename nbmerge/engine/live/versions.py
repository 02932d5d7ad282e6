"""Several merges of one tensor in one pass: a block of its inputs is used for all of them while it is in the processor's cache.

The bytes are those of separate passes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import torch

from nbmerge.engine.compute.blocks import Blocks
from nbmerge.engine.compute.tensor import prepare
from nbmerge.kernels import find_loops
from nbmerge.methods import Combination

if TYPE_CHECKING:
    from nbmerge.engine.planning.plans import TensorPlan

JOINED = 3
"""Results of one compiled loop."""
Compute = Callable[[int], None]
"""Computes the blocks that begin at an element."""


def follow(blocks: Blocks, versions: Sequence[TensorPlan], targets: Sequence[torch.Tensor]) -> list[Compute]:
    """What computes blocks of other versions of a tensor, after those of the first.

    Parameters
    ----------
    blocks : Blocks
        Of the first version.
    versions : sequence of TensorPlan
        Merges of the same inputs with other values.
    targets : sequence of Tensor
        Flat memory for each of them.
    """
    made: list[Compute] = []
    waiting: list[tuple[float, TensorPlan, torch.Tensor]] = []
    for version, target in zip(versions, targets, strict=True):
        weight = find_weight(version) if version.inputs == blocks.inputs else None
        if weight is None:
            made.append(_compute_one(blocks, version, target))
        else:
            waiting.append((weight, version, target))
    for start in range(0, len(waiting), JOINED):
        group = waiting[start : start + JOINED]
        joined = _join(blocks, group) if len(group) == JOINED else None
        made += [_compute_one(blocks, version, target) for _, version, target in group] if joined is None else [joined]
    return made


def is_plain_sum(tensor: TensorPlan) -> bool:
    """Whether a tensor is a weighted sum whose coefficients follow from the recipe alone."""
    return isinstance(tensor.how, Combination) and not tensor.how.needs_gram


def find_weight(tensor: TensorPlan) -> float | None:
    """The weight w of a merge a + w (b − a) of two inputs, as `prepare` finds it; None for all others."""
    method = tensor.how
    if not isinstance(method, Combination) or not is_plain_sum(tensor) or len(tensor.inputs) != 2:
        return None
    coefficients = [float(c) for c in method.coefficients(tensor.values, None)]
    return coefficients[1] if abs(sum(coefficients) - 1.0) < 1e-12 and all(coefficients) else None


def _compute_one(blocks: Blocks, version: TensorPlan, target: torch.Tensor) -> Compute:
    own = Blocks(version, blocks.workspace)
    own.target = target
    block_at, _ = prepare(version, own)

    def compute(start: int) -> None:
        for first in range(start, start + blocks.size(start), own.step):
            block, place = block_at(first), target[first : first + own.size(first)]
            if block.data_ptr() != place.data_ptr():
                place.copy_(block)

    return compute


def _join(blocks: Blocks, group: Sequence[tuple[float, TensorPlan, torch.Tensor]]) -> Compute | None:
    """One loop for several merges, if there is one."""
    loops: Any = find_loops()
    if loops is None or not blocks.are_mixed_on_host:
        return None
    dtypes = [i.dtype for i in blocks.inputs]
    fused = loops.fuse_interpolations([weight for weight, _, _ in group], dtypes, group[0][1].dtype)
    if fused is None:
        return None
    each = [_compute_one(blocks, version, target) for _, version, target in group]

    def compute(start: int) -> None:
        end = start + blocks.size(start)
        places = [target[start:end] for _, _, target in group]
        if not fused([blocks.stored(i, start) for i in range(2)], places):
            for one in each:
                one(start)

    return compute
