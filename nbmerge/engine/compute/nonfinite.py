"""NaN and infinity stop a merge, with the tensor, the model and how many there are: a merge would spread them silently."""

from __future__ import annotations

import torch

from nbmerge.engine.compute.blocks import Blocks
from nbmerge.engine.compute.workspace import Emit
from nbmerge.engine.planning.plans import TensorPlan
from nbmerge.errors import MergeError


def guarded(emit: Emit, tensor: TensorPlan, blocks: Blocks) -> Emit:
    """The same receiver, behind a check of every block."""
    if not tensor.is_float:
        return emit

    def checked(start: int, block: torch.Tensor) -> None:
        # One fast sum says that all is well; only a sum that is not finite is worth a closer look.
        total = block.sum(dtype=torch.float64 if block.dtype == torch.float64 else torch.float32)
        if not bool(torch.isfinite(total)) and not bool(torch.isfinite(block).all()):
            raise MergeError(_diagnosis(tensor, blocks))
        emit(start, block)

    return checked


def _diagnosis(tensor: TensorPlan, blocks: Blocks) -> str:
    """Which model brought them in, or that the result is too large for its dtype."""
    counts = {}
    for i, model in enumerate(tensor.models):
        counts[model] = sum(int((~torch.isfinite(blocks.stored(i, start))).sum()) for start in blocks.starts())
    guilty = ", ".join(f"{model} holds {n:,} of them" for model, n in counts.items() if n)
    if guilty:
        how = (
            "Leave that model or tensor out, or repair it; allow_nonfinite=True (--allow-nonfinite) merges it as it is."
        )
        return f"{tensor.name}: NaN or infinite values: {guilty}. {how}"
    return (
        f"{tensor.name}: values of the merge are too large for {tensor.dtype}. Choose a wider dtype or smaller weights; "
        "allow_nonfinite=True (--allow-nonfinite) writes infinity."
    )
