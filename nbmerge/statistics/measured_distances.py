"""Distances of a computed merge, of any method: computed as for writing, then compared instead of written."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import torch

from nbmerge.checkpoints import hub
from nbmerge.engine.compute import Blocks, run
from nbmerge.engine.planning import Plan, TensorPlan
from nbmerge.engine.planning import plan as make_plan
from nbmerge.progress_bars import show_progress
from nbmerge.statistics.distances import SUMS, Changes

if TYPE_CHECKING:
    from nbmerge.typing import ProgressLike, RecipeLike, StopSignal


@hub.stopping
def measure_merge(
    recipe: RecipeLike,
    *,
    progress: ProgressLike = None,
    cancel: StopSignal | None = None,
    threads: int | None = None,
) -> Changes:
    """Compute a merge without writing it, and measure its distance from each parent.

    M is the merged tensor as it would be written, after rounding to its dtype. Weights are streamed; memory holds a few
    blocks.

    Parameters
    ----------
    recipe : Recipe, Plan, or anything that `Recipe.load` reads
    progress, cancel, threads
        As in `nbmerge.merge`; the numbers do not depend on `threads`.

    Raises
    ------
    RecipeError
        With all problems, before a weight is read.
    MergeStopped, MergeError
        When `cancel` was set, or an input cannot be read.
    """
    plan = make_plan(recipe)
    tensors = compared(plan)
    sums = {t.name: np.zeros((len(t.inputs), len(SUMS))) for t in tensors}

    def sink(tensor: TensorPlan, blocks: Blocks) -> Callable[[int, torch.Tensor], None]:
        own = sums[tensor.name]
        return lambda start, block: add(own, block, blocks, start)

    with show_progress(progress, "Measuring the merge") as listener:
        run(tensors, sink, progress=listener, cancel=cancel, threads=threads)
    return Changes(
        frame(tensors, np.concatenate([np.empty((0, len(SUMS))), *sums.values()])),
        plan.parents,
        plan.depth,
        plan.base_label,
    )


def compared(plan: Plan) -> list[TensorPlan]:
    """The tensors that are compared: neither those that models rebuild by themselves nor integer tensors."""
    is_derived = plan.checkpoints[plan.donor].layout.is_derived
    return [t for t in plan.tensors if not is_derived(t.name) and all(i.is_float for i in t.inputs)]


def add(sums: np.ndarray, block: torch.Tensor, blocks: Blocks, start: int) -> None:
    """Add one block's products to a tensor's sums, shape (inputs, 4), in place."""
    merged = block.to(torch.float64, copy=True)  # reading an input may overwrite the block
    own = float(merged @ merged)
    for i, row in enumerate(sums):
        parent = blocks.stored(i, start).double()
        products = own, float(merged @ parent), float(parent @ parent)
        difference = merged - parent
        row += (*products, float(difference @ difference))


def frame(tensors: Iterable[TensorPlan], sums: np.ndarray) -> pd.DataFrame:
    """The table of `Changes`: a row for each input of each tensor, in this order."""
    rows = [(t.name, t.layer, t.kind, model) for t in tensors for model in t.models]
    table = pd.DataFrame(rows, columns=["tensor", "layer", "kind", "parent"]).astype({"layer": "Int64"})
    table[SUMS] = sums
    return table
