"""NaN and infinity stop a merge with the tensor, the model and their number: a merge would spread them silently."""

from __future__ import annotations

import torch

from nbmerge.engine.compute.blocks import Blocks
from nbmerge.engine.compute.workspace import Emit
from nbmerge.engine.planning.plans import TensorPlan
from nbmerge.errors import MergeError


def check_finite(emit: Emit, tensor: TensorPlan, blocks: Blocks) -> Emit:
    """Wrap a receiver with a check of every block."""
    if not tensor.is_float:
        return emit

    def checked(start: int, block: torch.Tensor) -> None:
        known, blocks.workspace.finite_at = blocks.workspace.finite_at, None
        if known == start:  # a compiled loop has seen all numbers
            emit(start, block)
            return
        # One fast sum is enough if it is finite; only otherwise every element is checked.
        # bfloat16 has the range of float32, in which torch adds it up three times as fast as where float32 is asked for.
        total = block.sum(dtype=torch.float32 if block.dtype == torch.float16 else None)
        if not bool(torch.isfinite(total)) and not bool(torch.isfinite(block).all()):
            raise MergeError(_diagnosis(tensor, blocks))
        emit(start, block)

    return checked


def _diagnosis(tensor: TensorPlan, blocks: Blocks) -> str:
    """The models that have such values, or else that the result is too large for its dtype."""
    counts = {}
    for i, model in enumerate(tensor.models):
        counts[model] = sum(int((~torch.isfinite(blocks.stored(i, start))).sum()) for start in blocks.starts())
    found = ", ".join(f"{model} has {n:,}" for model, n in counts.items() if n)
    if found:
        how = "Exclude that model or tensor, or repair it; allow_nonfinite=True (--allow-nonfinite) merges it as it is."
        return f"{tensor.name}: NaN or infinite values: {found}. {how}"
    return (
        f"{tensor.name}: values of the merge are too large for {tensor.dtype}. Choose a wider dtype or smaller weights; "
        "allow_nonfinite=True (--allow-nonfinite) writes infinity."
    )
