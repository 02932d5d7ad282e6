"""Where task vectors pull in opposite directions, and what trimming and the election of signs leave of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd
import torch

from nbmerge.checkpoints import hub
from nbmerge.engine.compute import BLOCK, Blocks, default_threads, find_loop_bytes, run
from nbmerge.engine.cost import require_memory
from nbmerge.engine.planning import Plan, TensorPlan
from nbmerge.errors import ArgumentError
from nbmerge.kernels import request
from nbmerge.methods.ties import kept
from nbmerge.presentation import Displayed, draw
from nbmerge.progress_bars import show_progress
from nbmerge.statistics.store import Arrays, recall
from nbmerge.statistics.structure.thresholds import find_thresholds, histogram_bytes
from nbmerge.statistics.structure.trimmed_sums import TrimmedSums
from nbmerge.statistics.survey import Model, fit_models, refuse_not_finite, tensors_of_all, without_merge

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from nbmerge.typing import ProgressLike, StopSignal

DENSITIES = (1.0, 0.8, 0.6, 0.4, 0.2, 0.1)
"""Densities at which conflicts are counted by default."""
BITS = 40
"""Bytes for each element of a block while magnitudes are ordered by their bits."""
SAVED = 2e-9
"""Processor seconds that compiled loops save for each number of each model at each density."""
MOST = 32
"""Most densities: each takes time and 1 MB for each model."""


class Conflicts(Displayed):
    """Signs and sizes of task vectors before and after trimming; the result of `measure_conflicts`.

    Attributes
    ----------
    models : tuple of str
        Labels, the base first.
    densities : tuple of float
        From the highest to the lowest.
    depth : int
        Number of layers.
    counts : TrimmedSums
        The sums themselves.
    """

    def __init__(self, plan: Plan, tensors: Sequence[TensorPlan], densities: Sequence[float], counts: TrimmedSums):
        self.models = plan.parents
        self.densities = tuple(densities)
        self.depth = plan.depth
        self.counts = counts
        self._names = [t.name for t in tensors]
        self._places = [(t.layer, t.kind) for t in tensors]

    @cached_property
    def table(self) -> pd.DataFrame:
        """One row for each tensor and density.

        tensor, layer, kind, density; ``conflict``: of the elements that several models changed and kept, the share whose
        signs differ; for each model ``kept[model]``, the share of Σ|δ| that trimming keeps, and ``elected[model]``, the share
        that also has the elected sign and therefore reaches the merge; for each pair ``conflict[a, b]``.
        """
        return self._expand(pd.DataFrame({"tensor": self._names}).assign(**self._columns_of_places), self.counts)

    @cached_property
    def by_part(self) -> pd.DataFrame:
        """The columns of `table` for each layer and kind of tensor; outside the layers, for each role."""
        rows = {place: i for i, place in enumerate(dict.fromkeys(self._places))}
        frame = pd.DataFrame(list(rows), columns=["layer", "kind"]).astype({"layer": "Int64"})
        return self._expand(frame, self.counts.added([rows[place] for place in self._places], len(rows)))

    @cached_property
    def summary(self) -> pd.DataFrame:
        """The columns of `table` for the models as a whole, one row for each density."""
        return self._expand(pd.DataFrame(index=[0]), self.counts.added([0] * len(self._names), 1))

    def plot(
        self, *, theme: Literal["auto", "light", "dark"] = "auto", width: float = 20 / 3, font_size: float = 9.0
    ) -> Figure:
        """Plot what densities keep and how signs conflict, and maps of conflicts before trimming and at a density.

        Parameters
        ----------
        theme, width, font_size
            As in `Recipe.plot`.
        """
        return draw("conflicts", self, theme=theme, width=width, font_size=font_size)

    @property
    def _columns_of_places(self) -> dict[str, pd.Series]:
        layers, kinds = zip(*self._places, strict=True)
        return {"layer": pd.Series(layers, dtype="Int64"), "kind": pd.Series(kinds)}

    def _expand(self, groups: pd.DataFrame, counts: TrimmedSums) -> pd.DataFrame:
        """A row for each group and density."""
        frames = []
        for d, density in enumerate(self.densities):
            columns = {"density": np.full(len(groups), density)} | dict(counts.columns(d, self.models[1:]))
            frames.append(groups.assign(**columns))
        return pd.concat(frames, ignore_index=True)

    def __repr__(self) -> str:
        first = self.summary.iloc[0]
        return f"<Conflicts: {', '.join(self.models[1:])}, signs differ in {100 * first['conflict']:.3g} %>"


@hub.stopping
def measure_conflicts(
    base: Model,
    *models: Model,
    densities: Sequence[float] = DENSITIES,
    progress: ProgressLike = None,
    cancel: StopSignal | None = None,
    threads: int | None = None,
    cache: bool | str | Path = True,
) -> Conflicts:
    """Count conflicts of signs between task vectors, before and after trimming, and what reaches a TIES merge.

    Trimming is that of TIES: of each tensor, the largest changes are kept. Elected signs are those of the sum of what is kept,
    with equal weights. All densities are measured together, in three passes over each tensor, block by block.

    Parameters
    ----------
    base, *models : path, Hub id in the local cache, or ModelRef
        At least two models fine-tuned from the base.
    densities : sequence of float
        Above 0 and at most 1; 1 is measured in any case.
    progress, cancel, threads
        As in `nbmerge.merge`; the numbers do not depend on `threads`.
    cache : bool or path
        Whether to cache the result on disk, and to reuse it, as in `measure_models`.

    Raises
    ------
    ArgumentError
        For fewer than two models, and for densities that are none.
    CheckpointError
        When models cannot be read or do not fit each other.
    TooLargeError
        When blocks and histograms do not fit into memory.
    MergeStopped
        When `cancel` was set.

    Examples
    --------
    >>> import nbmerge as nbm
    >>> family = nbm.demo.family()
    >>> found = nbm.measure_conflicts(family.base, *family.experts.values(), densities=[1.0, 0.2], progress=False)
    >>> found.summary["density"].to_list()
    [1.0, 0.2]
    """
    if len(models) < 2:
        raise ArgumentError("Conflicts are between at least two models. Name two models beside the base.")
    wanted = _read_densities(densities)
    plan = fit_models(base, *models)
    tensors = tensors_of_all(plan)
    counts = TrimmedSums(len(tensors), len(wanted), len(plan.parents) - 1)
    shapes = {field: getattr(counts, field).shape for field in TrimmedSums.FIELDS}

    def measure() -> Arrays:
        _check_memory(tensors, len(wanted), threads)
        _count(counts, tensors, wanted, progress, cancel, threads)
        return {field: getattr(counts, field) for field in TrimmedSums.FIELDS}

    arrays, _ = recall(cache, tensors, f"conflicts {wanted}", lambda known: shapes, measure)
    for field in TrimmedSums.FIELDS:
        setattr(counts, field, arrays[field])
    return Conflicts(plan, tensors, wanted, counts)


def _count(
    counts: TrimmedSums,
    tensors: list[TensorPlan],
    wanted: Sequence[float],
    progress: ProgressLike,
    cancel: StopSignal | None,
    threads: int | None,
) -> None:
    """Read all tensors, three times."""
    index = {t.name: i for i, t in enumerate(tensors)}

    def sink(tensor: TensorPlan, blocks: Blocks) -> Callable[[int, torch.Tensor], None]:
        _measure(counts, index[tensor.name], blocks, wanted)
        return lambda start, block: None

    request(_saved_seconds(tensors, len(wanted)))
    with show_progress(progress, "Counting conflicts") as listener:
        run([without_merge(t) for t in tensors], sink, progress=listener, cancel=cancel, threads=threads)
    refuse_not_finite(tensors, counts.total)


def _check_memory(tensors: Sequence[TensorPlan], densities: int, threads: int | None) -> None:
    """Compiled loops; blocks of all models with what is computed of them, and histograms of all thresholds, for each worker."""
    models = max(len(t.inputs) for t in tensors) - 1
    item = max(8 if i.dtype in ("float32", "float64") else 4 for t in tensors for i in t.inputs)
    blocks = BLOCK * (item * (3 * models + 2) + 4 * models + BITS)
    require_memory(
        find_loop_bytes(_saved_seconds(tensors, densities))
        + (blocks + models * densities * histogram_bytes()) * (threads or default_threads()),
        f"Counting conflicts of {models} models at {densities} densities",
        "Use fewer densities, or fewer threads.",
    )


def _saved_seconds(tensors: Sequence[TensorPlan], densities: int) -> float:
    """Processor time that compiled loops save."""
    return SAVED * densities * sum(t.count * (len(t.inputs) - 1) for t in tensors)


def _read_densities(densities: Sequence[float]) -> list[float]:
    try:
        wanted = sorted({1.0, *map(float, densities)}, reverse=True)
    except (TypeError, ValueError):
        raise ArgumentError(f"densities must be a list of numbers, not {densities!r:.80}.") from None
    if bad := [d for d in wanted if not 0 < d <= 1]:
        raise ArgumentError(f"densities must be above 0 and at most 1, not {bad[0]!r}.")
    if len(wanted) > MOST:
        raise ArgumentError(f"densities has {len(wanted)} values. Choose at most {MOST}.")
    return wanted


def _measure(counts: TrimmedSums, t: int, blocks: Blocks, densities: Sequence[float]) -> None:
    """All that is counted of one tensor."""
    if not blocks.count:
        return
    keeps = [kept(density, blocks.count) for density in densities]
    thresholds, ties = find_thresholds(blocks, [keeps] * (len(blocks.inputs) - 1))
    loop = counts.find_loop([i.dtype for i in blocks.inputs])
    for start in blocks.starts():
        if loop is not None:
            loop(t, [blocks.stored(i, start) for i in range(len(blocks.inputs))], thresholds, ties)
            continue
        rows = blocks.rows(start)
        counts.add(t, rows[1:].sub_(rows[:1]), thresholds, ties)
