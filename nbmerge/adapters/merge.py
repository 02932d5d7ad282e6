"""Merge adapters of one model with each other; the result is an adapter."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from nbmerge.adapters.alignment import align_adapters, check_copies
from nbmerge.adapters.budget import check_budget
from nbmerge.adapters.combinations import Consensus, Election, Mixer
from nbmerge.adapters.combine import Combiner
from nbmerge.adapters.inputs import KINDS_OF_ADAPTERS
from nbmerge.adapters.members import Members, Module
from nbmerge.adapters.merge_arguments import (
    MOST_RANK,
    check_adapters,
    check_density,
    check_dtype,
    check_method,
    check_ranks,
    check_seed,
    check_signs,
    check_weights,
)
from nbmerge.adapters.merged import AdapterMerge, MergedTensor
from nbmerge.adapters.merged_folder import SavedTensors, find_saved, write_merged
from nbmerge.adapters.parts import Part, Parts, part_names
from nbmerge.checkpoints import hub
from nbmerge.checkpoints.adapters.adapter import WEIGHTS
from nbmerge.engine.compute import Blocks, parse_threads, run
from nbmerge.engine.cost import require_memory
from nbmerge.engine.output import absolute, building_in_steps, check_place_beside, discard_unfinished
from nbmerge.engine.planning import TensorPlan
from nbmerge.errors import CheckpointError, OutputError
from nbmerge.progress_bars import show_progress
from nbmerge.recipe import ModelRef
from nbmerge.statistics.structure import Spectrum

if TYPE_CHECKING:
    from nbmerge.engine.output import Journal
    from nbmerge.progress import Listener
    from nbmerge.typing import ModelLike, ProgressLike, StopSignal

_SPACE = "Free some space, choose another disk, or a lower rank."
_FORMAT = "1"


@dataclass(frozen=True)
class _Task:
    """The checked arguments."""

    members: Members
    combiner: Combiner
    saved: SavedTensors

    @property
    def identity(self) -> dict[str, str]:
        """What determines the bytes besides the inputs."""
        own = self.combiner
        return {
            "merge_adapters": _FORMAT,
            "method": repr(own.mixer),
            "weights": repr(own.weights),
            "ranks": repr(own.budget),
            "seed": str(own.seed),
            "dtype": str(own.dtype),
            "scales": repr([s.scale for m in self.members.modules for steps in m.changes.values() for s in steps]),
        }


@hub.stopping
def merge_adapters(
    adapters: Sequence[ModelLike],
    out: str | Path,
    *,
    method: str = "svd",
    weights: float | Sequence[float] = 1.0,
    rank: int | None = None,
    energy: float | None = None,
    density: float | None = None,
    consensus: Consensus = "sum",
    election: Election = "plain",
    seed: int = 0,
    base: ModelLike | None = None,
    dtype: str | None = None,
    overwrite: bool = False,
    threads: int | None = None,
    progress: ProgressLike = None,
    cancel: StopSignal | None = None,
) -> AdapterMerge:
    """Merge LoRA adapters of one model into one adapter, which peft loads.

    The combination types are those of peft's ``add_weighted_adapter`` and give the same products. Adapters may have different
    ranks, alphas and modules: a module that only some of them change gets their changes. Weights are streamed, module by module.

    Parameters
    ----------
    adapters : sequence of path, Hub id or ModelRef
    out : path
        Folder to create.
    method : str
        "svd" (the weighted sum of the products, cut to a rank), "cat" (the same sum exactly, with all ranks), "linear" (factors
        added instead of products: fast and rough; needs equal ranks); "ties_svd", "dare_linear_svd", "dare_ties_svd" and
        "magnitude_prune_svd" merge products element by element and cut the result to a rank; "ties", "dare_linear",
        "dare_ties" and "magnitude_prune" do so with both factors.
    weights : float or sequence of float
        One for each adapter, in a list or an array, or one for all. They are not normalised.
    rank : int, optional
        Rank of every module, for methods that end in "svd", or with `energy` the most; default the highest that an adapter has in
        the module, or 256 with `energy`. Smaller matrices, and changes of lower rank, get fewer.
    energy : float, optional
        Choose the rank of each module: the lowest that holds this share of ‖δ‖², such as 0.9.
    density : float, optional
        Share of the elements that is kept, for the methods with ties, dare or magnitude_prune, which require it.
    consensus : "sum" or "count"
        Whether ties elects signs by the sum of the changes, or by one vote for each adapter.
    election : "plain" or "weighted"
        "plain" is peft's: signs are elected without the weights, and what agrees is divided by the number of adapters that agree.
        "weighted" is that of the methods ties and dare_ties of recipes.
    seed : int
        Of the random masks of dare.
    base : path, Hub id or ModelRef, optional
        The model of the adapters. Needed where they save modules whole, are DoRA, or name their model differently.
    dtype : str, optional
        dtype of the factors: "float32", "bfloat16" or "float16"; default that of the adapters, or float32 if they differ.
    overwrite : bool
        Replace an existing model or adapter folder, once the new one is complete.
    threads, progress, cancel
        As in `nbmerge.merge`; the bytes do not depend on `threads`.

    Raises
    ------
    ArgumentError, CheckpointError, OutputError, TooLargeError
        Before anything is computed, where arguments, adapters, folder or memory cannot be used; a CheckpointError also at the end,
        where the changes cancel.
    MergeStopped, MergeError
        When it was stopped or failed. Finished modules are kept next to the folder: the same call resumes.

    Examples
    --------
    >>> import tempfile
    >>> import nbmerge as nbm
    >>> family = nbm.demo.family()
    >>> folder = tempfile.mkdtemp()
    >>> for name in ("shouter", "reverser"):
    ...     adapter = nbm.extract_lora(family.experts[name], family.base, f"{folder}/{name}", rank=8, progress=False)
    >>> both = nbm.merge_adapters(
    ...     [f"{folder}/shouter", f"{folder}/reverser"], f"{folder}/both", rank=12, weights=0.5, base=family.base, progress=False
    ... )
    >>> set(both.ranks.values())
    {12}
    """
    began = time.perf_counter()
    count = parse_threads(threads)
    mixer = Mixer(check_method(method), check_density(method, density), *check_signs(consensus, election))
    refs = [ModelRef.of(adapter) for adapter in check_adapters(adapters)]
    own = check_weights(weights, len(refs))
    members = align_adapters(refs, None if base is None else ModelRef.of(base))
    check_copies(members, own, mixer.kind.thin is not None)
    check_ranks(members, mixer.kind, rank, energy)
    budget = None if rank is None and energy is None else check_budget(rank, energy, MOST_RANK, MOST_RANK)
    chosen = check_dtype(dtype, members)
    combiner = Combiner(mixer, members.labels, own, budget, check_seed(seed), getattr(torch, chosen))
    task = _Task(members, combiner, find_saved(members))
    folder = absolute(out)
    _check_cost(task, folder, overwrite, count)
    with show_progress(progress, "Merging adapters") as listener:
        try:
            parts = _merge(task, folder, overwrite, listener, cancel, count)
        except CheckpointError:  # another run would find the same
            with suppress(OutputError):
                discard_unfinished(folder)
            raise
    size = (folder / WEIGHTS[0]).stat().st_size
    found = _describe(task, parts)
    depth = members.layout.depth
    return AdapterMerge(folder, members.labels, own, method, found, depth, size, time.perf_counter() - began)


def _check_cost(task: _Task, folder: Path, overwrite: bool, threads: int) -> None:
    combiner, modules = task.combiner, task.members.modules
    size = combiner.dtype.itemsize
    factors = sum(combiner.rank(m) * sum(m.shape) * len(m.matrices) * size for m in modules)
    check_place_beside(task.members.folders, folder, overwrite, 2 * factors + task.saved.nbytes, _SPACE)
    most = max(combiner.worker_bytes(module) for module in modules)
    require_memory(
        most * min(threads, len(modules)), f"Merging {len(modules)} modules by {combiner.mixer.kind.name}",
        "Use fewer threads, or svd, which needs no products.",
    )  # fmt: skip


def _merge(
    task: _Task, out: Path, overwrite: bool, progress: Listener | None, cancel: StopSignal | None, threads: int
) -> dict[str, Part]:
    """Combine the modules that an earlier run has not, and write the adapter."""
    combiner, modules = task.combiner, task.members.modules
    dtype = str(combiner.dtype).removeprefix("torch.")
    plans = [module.plan(combiner.rank(module), dtype) for module in modules]
    inputs = [*plans, *(whole.tensor for whole in task.saved.wholes)]
    with building_in_steps(out, overwrite, inputs, task.identity, part_names(len(modules))) as (folder, journal):
        parts = Parts(folder, [module.weight for module in modules])
        journal.begin({name: checksum for name, checksum in journal.finished.items() if parts.holds(name, checksum)})
        left = [plan for plan in plans if plan.name not in journal.finished]
        sink = _sink(task, parts, journal)
        run(left, sink, progress=progress, cancel=cancel, threads=threads, kinds=KINDS_OF_ADAPTERS)
        found = {module.weight: parts.read(module.weight, len(module.matrices)) for module in modules}
        _refuse_nothing(task, found)
        found |= write_merged(task.members, combiner, task.saved, parts, found, folder, cancel)
        parts.remove()
    return found


def _sink(task: _Task, parts: Parts, journal: Journal) -> Callable[[TensorPlan, Blocks], Callable[..., None]]:
    """What every worker does with a module: combine its factors, and write them down."""
    modules = {module.weight: module for module in task.members.modules}

    def sink(plan: TensorPlan, blocks: Blocks) -> Callable[..., None]:
        module: Module = modules[plan.name]
        found, factors = task.combiner.combine(module, blocks.workspace)
        journal.note(plan.name, parts.write_factors(plan.name, factors, found))
        return lambda start, block: None

    return sink


def _refuse_nothing(task: _Task, found: dict[str, Part]) -> None:
    if not any(part.energy and part.rank for part in found.values()):
        raise CheckpointError(
            f"the changes of {' and '.join(task.members.labels)} cancel with these weights, so nothing is left. Choose other weights."
        )


def _describe(task: _Task, parts: dict[str, Part]) -> list[MergedTensor]:
    found = []
    for name, part in parts.items():
        place = task.members.layout.place(name)
        spectrum = Spectrum(name, place.layer, place.kind, "merge", part.values, part.errors, part.energy, part.size)
        way = ("lora" if part.rank else "unchanged") if part.size else "saved"
        found.append(MergedTensor(spectrum, way, part.rank, part.lost))
    return found
