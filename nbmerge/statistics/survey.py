"""One pass over the weights of a base and its models."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from nbmerge.checkpoints import hub
from nbmerge.engine.compute import Blocks, run
from nbmerge.engine.planning import Plan, TensorPlan, examine
from nbmerge.errors import CheckpointError, RecipeError
from nbmerge.kernels import request
from nbmerge.methods import Values
from nbmerge.progress_bars import show_progress
from nbmerge.recipe import ModelRef, Recipe
from nbmerge.statistics.measured_distances import compared
from nbmerge.statistics.statistics import Statistics
from nbmerge.statistics.store import Arrays, recall
from nbmerge.statistics.tally import BINS, FIELDS, Tally

if TYPE_CHECKING:
    from nbmerge.typing import ProgressLike, StopSignal

Model = str | Path | ModelRef
SAVED = 5e-9
"""Processor seconds that compiled loops save for each number of each model."""


@hub.stopping
def measure_models(
    base: Model,
    *models: Model,
    progress: ProgressLike = None,
    cancel: StopSignal | None = None,
    threads: int | None = None,
    cache: bool | str | Path = True,
) -> Statistics:
    """Read a base and models fine-tuned from it once, and store the sums that describe how they differ.

    The distance of any weighted combination of these models can be predicted from them, see `Statistics.predict`.
    Weights are streamed; memory holds a few blocks of each model, and about 1 kB of results per tensor and model.

    Parameters
    ----------
    base, *models : path, Hub id in the local cache, or ModelRef
    progress, cancel, threads
        As in `nbmerge.merge`; the numbers do not depend on `threads`.
    cache : bool or path
        Whether to cache the result on disk, and to reuse it if the same files were measured before (see
        `nbmerge.statistics.store` for what counts as the same); or the folder of the cache.

    Raises
    ------
    CheckpointError
        When one cannot be read, holds numbers that are not finite, or they do not fit each other; it names the tensors.
    MergeStopped
        When `cancel` was set.
    """
    plan = fit_models(base, *models)
    tensors = tensors_of_all(plan)
    tally = Tally(len(tensors), len(plan.parents) - 1)
    shapes = {field: getattr(tally, field).shape for field in FIELDS}

    def measure() -> Arrays:
        _count(tally, tensors, progress, cancel, threads)
        return {field: getattr(tally, field) for field in FIELDS}

    arrays, from_cache = recall(cache, tensors, f"differences {BINS}", lambda known: shapes, measure)
    for field in FIELDS:
        setattr(tally, field, arrays[field])
    return Statistics(plan, tensors, tally, from_cache=from_cache)


def _count(
    tally: Tally, tensors: list[TensorPlan], progress: ProgressLike, cancel: StopSignal | None, threads: int | None
) -> None:
    """Read all tensors once."""
    index = {t.name: i for i, t in enumerate(tensors)}

    def sink(tensor: TensorPlan, blocks: Blocks) -> Callable[[int, torch.Tensor], None]:
        t, dtype, inputs = index[tensor.name], product_dtype(blocks), range(len(blocks.inputs))
        if (loop := tally.find_loop([i.dtype for i in blocks.inputs])) is not None:
            return lambda start, _: loop(t, [blocks.stored(i, start) for i in inputs])
        return lambda start, _: tally.add(t, blocks.rows(start, dtype=dtype))

    request(SAVED * sum(t.count * len(t.inputs) for t in tensors))
    with show_progress(progress, "Measuring the models") as listener:
        zeros = [without_merge(t) for t in tensors]
        run(zeros, sink, progress=listener, cancel=cancel, threads=threads, allow_nonfinite=True)
    refuse_not_finite(tensors, np.diagonal(tally.gram, axis1=1, axis2=2))


def fit_models(*models: Model) -> Plan:
    """A plan that lays the models' tensors side by side; the planner checks what fits.

    Raises
    ------
    CheckpointError
        When they do not fit each other.
    """
    refs = list(dict.fromkeys(map(ModelRef.of, models)))
    try:
        sources = [{"model": r, "parameters": {"weight": 1.0}} for r in refs]
        plan, problems = examine(Recipe.of({"merge_method": "linear", "models": sources}))
    except RecipeError as error:
        plan, problems = None, list(error.problems)
    if plan is None:
        raise CheckpointError(
            "These models cannot be compared: " + " ".join(p.what for p in problems if p.severity == "error")
        )  # fmt: skip
    return plan


def tensors_of_all(plan: Plan) -> list[TensorPlan]:
    """The tensors that can be compared and that all models have."""
    return [t for t in compared(plan) if len(t.inputs) == len(plan.parents)]


def product_dtype(blocks: Blocks) -> torch.dtype:
    """The dtype of inner products within a block, as in `Blocks.gram`: float64 where any input has at least 32 bits."""
    return torch.float64 if any(i.dtype in ("float32", "float64") for i in blocks.inputs) else torch.float32


def without_merge(tensor: TensorPlan) -> TensorPlan:
    """The same inputs with 0 × the first as the merge: the engine itself reads nothing and walks through the blocks."""
    return replace(tensor, method="passthrough", values=Values({}, {"scale": (0.0,)}))


def refuse_not_finite(tensors: list[TensorPlan], sums: np.ndarray) -> None:
    """Raise a `CheckpointError` unless all sums are finite.

    Parameters
    ----------
    tensors : list of TensorPlan
    sums : ndarray, shape (tensors, inputs), or (tensors, inputs − 1) without the base
    """
    sound = np.isfinite(sums)
    if sound.all():
        return
    t = int(np.argmin(sound.all(1)))
    missing = len(tensors[t].models) - sums.shape[1]
    whose = tensors[t].models[missing + (0 if not sound[t, 0] else int(np.argmin(sound[t])))]
    bad = int((~sound.all(1)).sum())
    raise CheckpointError(
        f"{whose} contains NaN, infinity or extremely large numbers in {tensors[t].name} ({bad} such "
        f"{'tensor' if bad == 1 else 'tensors'} in all). Download or train it again."
    )
