"""Blocks by compiled loops where there are some: the same bytes as by torch, see `nbmerge.kernels`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import torch

from nbmerge.kernels import find_loops

if TYPE_CHECKING:
    from nbmerge.engine.compute.blocks import Blocks
    from nbmerge.engine.compute.workspace import BlockAt

Find = Callable[..., "Callable[[list[torch.Tensor], int, torch.Tensor], bool] | None"]
"""``(loops, dtypes of the inputs, dtype of the result)``: a loop, see `nbmerge.kernels.fusion.Fused`."""


def fuse(reference: BlockAt, blocks: Blocks, used: Sequence[int], dtype: torch.dtype, find: Find) -> BlockAt:
    """Blocks of a result by a compiled loop, if there is one.

    Parameters
    ----------
    reference : callable
        Computes blocks with torch: where there is no loop, and where the result is not finite.
    blocks : Blocks
    used : sequence of int
        The inputs that are read.
    dtype : torch.dtype
        Of the result.
    find : callable
        See `Find`.
    """
    loops: Any = find_loops()
    if loops is None or not blocks.are_mixed_on_host:
        return reference
    fused = find(loops, [blocks.inputs[i].dtype for i in used], str(dtype).removeprefix("torch."))
    if fused is None:
        return reference

    def block_at(start: int) -> torch.Tensor:
        target = blocks.target_at(start)
        result = blocks.workspace.result(dtype, blocks.size(start)) if target is None else target
        if not fused([blocks.stored(i, start) for i in used], start, result):
            return reference(start)
        blocks.workspace.finite_at = start
        return result

    return block_at
