"""Distances of any merge from a sample of its rows, with the error that a sample has.

Element-wise methods depend on single weights, so nothing follows from sums. But their rows are much alike: the merge is
carried out on some of each tensor's rows, evenly spread and always the same, and their sums are scaled up. Thresholds that
a method would take from the whole tensor it takes from the sample.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch

from nbmerge.checkpoints import hub
from nbmerge.engine.compute import KINDS, Blocks, Read, Workspace, run
from nbmerge.engine.planning import TensorPlan
from nbmerge.engine.planning import plan as make_plan
from nbmerge.engine.planning.tokens import Rows
from nbmerge.errors import PredictionError
from nbmerge.statistics.distances import Changes, ratio
from nbmerge.statistics.measured_distances import compared, frame
from nbmerge.tokenizers.table import Table

if TYPE_CHECKING:
    from nbmerge.typing import RecipeLike, StopSignal

SAMPLE = 1 << 15
"""Elements of a tensor's sample, as long as that makes `FEWEST` rows."""
FEWEST = 32
STANDARD_ERRORS = 4.0
"""What is given as the error, in standard errors. Rows are not normal: of real tiny models' tensors, three held 985 of 1000
values; four are to hold nearly all."""
GOLDEN = 0.6180339887498949


@hub.stopping
def estimate(recipe: RecipeLike, *, cancel: StopSignal | None = None, threads: int | None = None) -> Estimate:
    """Estimate the distance of a merge of any method from each parent, from a sample of the rows of each tensor.

    Parameters
    ----------
    recipe : Recipe, Plan, or anything that `Recipe.load` reads
    cancel, threads
        As in `nbmerge.measure_merge`, which measures the same on all weights.

    Raises
    ------
    PredictionError
        When a method merges whole matrices, which cannot be estimated from rows.
    MergeStopped, MergeError
        When it was stopped, or an input cannot be read.
    """
    plan = make_plan(recipe)
    tensors = compared(plan)
    if whole := next((t for t in tensors if getattr(t.how, "whole", "") == "matrix" and len(t.shape) > 1), None):
        raise PredictionError(
            f"{whole.method} merges whole matrices ({whole.name}), which cannot be estimated from rows. Use nbmerge.measure_merge(recipe)."
        )
    samples = [_sample(t) for t in tensors]
    products = {s.name: np.zeros((len(s.inputs), 4, _rows(s))) for s in samples}

    def sink(tensor: TensorPlan, blocks: Blocks) -> Callable[[int, torch.Tensor], None]:
        own, width = products[tensor.name], max(1, tensor.count // _rows(tensor))
        return lambda start, block: _add(own, width, block, blocks, start)

    run(samples, sink, cancel=cancel, threads=threads, kinds={**KINDS, Sampled: _open_sampled})
    scaled = [_scaled(products[t.name], t.shape[0] if len(t.shape) > 1 else 1) for t in tensors]
    sums, covariances = (np.concatenate([np.empty((0, *x[0].shape[1:])), *x]) for x in zip(*scaled, strict=True))
    share = sum(s.count for s in samples) / max(1, sum(t.count for t in tensors))
    return Estimate(Changes(frame(tensors, sums), plan.parents, plan.depth, plan.base_label), covariances, share)


class Estimate:
    """An estimate of `Changes`, with its error.

    Attributes
    ----------
    changes : Changes
        What `nbmerge.measure_merge` would give, estimated.
    share : float
        Share of the weights that were read.
    """

    def __init__(self, changes: Changes, covariances: np.ndarray, share: float):
        self.changes, self.share = changes, share
        self._covariances = covariances

    def total(self, parent: str, what: str = "distance") -> tuple[float, float]:
        """Distance or cosine of the whole model, and its error (± four standard errors)."""
        mine = (self.changes.frame["parent"] == parent).to_numpy()
        sums = self.changes.frame.loc[mine, ["mm", "mp", "pp", "dd"]].to_numpy().sum(0)
        error = _error(sums, self._covariances[mine].sum(0), what)
        return self.changes.total(parent, what), float(error)

    @cached_property
    def table(self) -> pd.DataFrame:
        """One row for each tensor and parent: tensor, layer, kind, parent, distance, cosine, and the error of both."""
        table = self.changes.frame[["tensor", "layer", "kind", "parent"]].copy()
        sums = self.changes.frame[["mm", "mp", "pp", "dd"]].to_numpy()
        for what in ("distance", "cosine"):
            table[what] = ratio(sums, what)
            table[f"{what} ±"] = _error(sums, self._covariances, what)
        return table

    def __repr__(self) -> str:
        far = (f"{p} {100 * d:.3g} ± {100 * e:.2g} %" for p in self.changes.parents for d, e in [self.total(p)])
        return f"<Estimate from {self.share:.0%} of the weights: distance from {', '.join(far)}>"


class Sampled(Rows):
    """Rows that are read once and kept in memory, as methods read them several times."""


def _open_sampled(source: Sampled, workspace: Workspace, slot: int) -> Read:
    read = KINDS[Rows](source, workspace, slot)
    rows: list[torch.Tensor] = []

    def again(start: int, count: int) -> torch.Tensor:
        if not rows:
            rows.append(read(0, source.count).clone())
        return rows[0][start : start + count]

    return again


def _sample(tensor: TensorPlan) -> TensorPlan:
    """The same merge of some rows, evenly spread; of all of them where they are few, or where there is but one."""
    count = tensor.shape[0] if len(tensor.shape) > 1 else 1
    width = max(1, tensor.count // max(1, count))
    some = max(FEWEST, SAMPLE // width)
    if count <= some:
        return tensor
    within = np.arange(1, some + 1) * GOLDEN % 1.0  # at no fixed distance, which heads of attention might share
    rows = ((np.arange(some) + within) * count / some).astype(np.int64)
    table = Table(np.arange(some + 1), np.zeros(some, np.int32), rows, np.ones(some))
    inputs: tuple[Any, ...] = tuple(Sampled.of(i, [i], table) for i in tensor.inputs)
    return replace(tensor, shape=(some, *tensor.shape[1:]), inputs=inputs)


def _rows(tensor: TensorPlan) -> int:
    return tensor.shape[0] if len(tensor.shape) > 1 else 1


def _add(own: np.ndarray, width: int, block: torch.Tensor, blocks: Blocks, start: int) -> None:
    """Add one block's products to the sums of its rows, shape (inputs, 4, rows), in place."""
    merged = block.to(torch.float64, copy=True)  # reading an input may overwrite the block
    rows = slice(start // width, (start + len(merged) - 1) // width + 1)
    begins = np.maximum(np.arange(rows.start, rows.stop) * width - start, 0)
    for i, sums in enumerate(own):
        parent = blocks.stored(i, start).double()
        for k, product in enumerate((merged * merged, merged * parent, parent * parent, (merged - parent).square_())):
            sums[k, rows] += np.add.reduceat(product.numpy(), begins)


def _scaled(rows: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Sums over all `count` rows and their covariance, from those of some: shapes (inputs, 4) and (inputs, 4, 4)."""
    some = rows.shape[-1]
    factor = count / some
    apart = rows - rows.mean(-1, keepdims=True)
    spread = apart @ apart.swapaxes(-1, -2) / max(1, some - 1)
    few = (1 + 2.5 / max(1, some - 1)) ** 2  # their own spread is uncertain: as Student's t is wider
    return factor * rows.sum(-1), spread * few * count * factor * (1 - 1 / factor)


def _error(sums: np.ndarray, covariances: np.ndarray, what: str) -> np.ndarray:
    """Error of distance or cosine by its derivatives, for sums of shape (..., 4)."""
    mm, mp, pp, dd = np.moveaxis(np.asarray(sums, dtype=float), -1, 0)
    zero = np.zeros_like(mm)
    with np.errstate(all="ignore"):
        if what == "distance":
            value = np.sqrt(dd / pp)
            slope = (zero, zero, -value / (2 * pp), value / (2 * dd))
        else:
            value = mp / np.sqrt(mm * pp)
            slope = (-value / (2 * mm), value / mp, -value / (2 * pp), zero)
        slopes = np.nan_to_num(np.stack(slope, -1), posinf=0.0, neginf=0.0)
        variance = np.einsum("...i,...ij,...j->...", slopes, covariances, slopes)
    return STANDARD_ERRORS * np.sqrt(np.maximum(variance, 0.0))
