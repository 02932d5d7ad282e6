"""Blocks by compiled loops where there are some: the same bytes as by torch, see `nbmerge.kernels`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import torch

from nbmerge.kernels import find_loops, request
from nbmerge.methods import Combination

if TYPE_CHECKING:
    from nbmerge.engine.compute.blocks import Blocks
    from nbmerge.engine.compute.workspace import BlockAt
    from nbmerge.engine.planning.plans import TensorPlan

SAVED = {
    "ties": 1.7e-9, "dare_linear": 1e-9, "dare_ties": 1.3e-9, "breadcrumbs": 1.5e-9, "breadcrumbs_ties": 2e-9,
    "nearswap": 1e-9, "consensus": 1.5e-9,
}  # fmt: skip
"""Processor seconds that loops save for each number of each input; combinations are not listed."""
SAVED_SUM, SAVED_PRODUCTS = 5e-11, 1e-9
"""The same for a weighted sum, and for inner products."""

Find = Callable[..., "Callable[[list[torch.Tensor], int, torch.Tensor], bool] | None"]
"""``(loops, dtypes of the inputs, dtype of the result)``: a loop, see `nbmerge.kernels.fusion.Fused`."""


def load_loops(tensors: Sequence[TensorPlan], times: int = 1) -> None:
    """Load compiled loops if they save enough in computing these tensors, a number of times."""
    request(times * sum(map(_saved_seconds, tensors)))


def _saved_seconds(tensor: TensorPlan) -> float:
    method = tensor.how
    each = SAVED.get(method.name, 0.0)
    if isinstance(method, Combination):
        each = SAVED_SUM + SAVED_PRODUCTS * method.needs_gram
    return tensor.count * len(tensor.inputs) * each


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
