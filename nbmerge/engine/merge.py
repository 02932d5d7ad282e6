"""The main job: a recipe in, a model folder out."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nbmerge.arguments import parse_size_argument
from nbmerge.checkpoints import hub
from nbmerge.checkpoints.checkpoint import SINGLE
from nbmerge.engine.compute.arithmetic import arithmetic
from nbmerge.engine.compute.device import DEVICE, find_device
from nbmerge.engine.compute.download import fetch
from nbmerge.engine.compute.pool import run
from nbmerge.engine.compute.threads import parse_threads
from nbmerge.engine.loading.load_findings import loading_warnings
from nbmerge.engine.output.commit import beside
from nbmerge.engine.output.folder import absolute, building, check_output, clear, modules_left_behind, write_companions
from nbmerge.engine.output.journal import Journal, identity
from nbmerge.engine.output.leftovers import remove_leftovers
from nbmerge.engine.output.shards import MAX_SHARD, ShardWriter, shard_names
from nbmerge.engine.output.weights_file import building_file, is_one_file, room_for_checksums, write_checksums
from nbmerge.engine.planning.planner import plan as make_plan
from nbmerge.engine.planning.plans import Plan
from nbmerge.presentation import Displayed
from nbmerge.problems import Problem
from nbmerge.progress import Listener, OverallProgress
from nbmerge.progress_bars import show_progress
from nbmerge.recipe.yaml_text import dump_yaml
from nbmerge.sizes import human

if TYPE_CHECKING:
    import torch

    from nbmerge.typing import ProgressLike, RecipeLike, StopSignal


@dataclass(frozen=True)
class MergeResult(Displayed):
    """Result of a merge.

    Parameters
    ----------
    path : Path
        The model folder, which `transformers` loads with ``from_pretrained``; the folder or file of bare weights.
    plan : Plan
    seconds : float
    notes : Counter
        Special cases, each with the number of tensors.
    warnings : tuple of Problem
        What transformers would refuse, initialise randomly or ignore when it loads the folder, and what the folder lacks.
    """

    path: Path
    plan: Plan
    seconds: float
    notes: Counter[str]
    warnings: tuple[Problem, ...] = ()

    def __repr__(self) -> str:
        size = human(self.plan.bytes_written)
        notes = "".join(f"; {n} {'tensor' if n == 1 else 'tensors'}: {text}" for text, n in self.notes.items())
        notes += "".join(f"; warning: {problem}" for problem in self.warnings)
        return f"<MergeResult {self.path}: {len(self.plan.tensors)} tensors, {size}, {self.seconds:.1f} s{notes}>"


@hub.stopping
def merge(
    recipe: RecipeLike,
    out: str | Path,
    *,
    max_shard_size: int | str = MAX_SHARD,
    overwrite: bool = False,
    threads: int | None = None,
    progress: ProgressLike = None,
    cancel: StopSignal | None = None,
    allow_nonfinite: bool = False,
    executor: Any = None,
    device: str | None = None,
) -> MergeResult:
    """Merge models as a recipe describes, and write a model folder.

    The weights are streamed: memory holds a few blocks of each input, never a whole model. The folder appears under its name
    only when it is complete.

    Parameters
    ----------
    recipe : Recipe, Plan, or anything that `Recipe.load` reads
    out : path
        Folder to create. It must not exist, unless `overwrite` is set and it is a model folder. Bare weights can also be
        written as one file, named ``*.safetensors``.
    max_shard_size : int or str
        Maximum size of one weights file, in bytes or such as ``"2GB"``.
    overwrite : bool
        Replace an existing model folder, once the new one is complete.
    threads : int, optional
        Number of threads; the result does not depend on it.
    progress : callable or bool, optional
        Takes an `nbmerge.progress.Event`. Default: a progress bar in a notebook or a terminal, if it takes longer than half a
        second; False shows nothing, and neither does anything if the environment variable ``NBMERGE_PROGRESS`` is 0.
    cancel : StopSignal, optional
        Stops the work once it is set, such as a `threading.Event`.
    allow_nonfinite : bool
        Write NaN and infinity, which come from the inputs or from a dtype with too small a range, instead of stopping.
    executor : dask.distributed.Client or concurrent.futures.Executor, optional
        Run the merge on its workers, with the same result. They must see inputs and output under the same paths as this
        process. `threads` then applies to each task (default 1).
    device : str, optional
        The device to compute on, of each worker if there is an executor: "cuda", "cuda:1", "mps" or "auto". Results agree with
        those of the CPU to one unit in the last place, see `nbmerge.engine.compute.device`.

    Raises
    ------
    ArgumentError
        When `max_shard_size` or `threads` is not what it should be, before anything else.
    RecipeError
        With all problems of the recipe, before anything is written.
    OutputError
        When the output folder cannot be used, before anything is written.
    MergeStopped, MergeError
        When the merge was stopped or failed. The output folder does not exist, and the inputs are unchanged. Finished tensors
        are kept next to it (``.OUT.nbmerge-partial``): run the same merge again to resume, with the same result.
    """
    max_shard_size = parse_size_argument("max_shard_size", max_shard_size)
    parse_threads(threads)  # a wrong number is refused before anything is downloaded or written
    here = find_device(device) if executor is None else None
    device_name = str(here) if here is not None else None if executor is None or device == "cpu" else device
    plan = make_plan(recipe)
    with show_progress(progress, "Merging", last="checking how it loads") as shown:
        result = _run(
            plan, out, shown, cancel, max_shard_size=max_shard_size, overwrite=overwrite, threads=threads,
            allow_nonfinite=allow_nonfinite, executor=executor, here=here, device_name=device_name,
        )  # fmt: skip
        # After the merge: transformers takes seconds and memory that the merge itself may need.
        return replace(result, warnings=(*modules_left_behind(plan), *loading_warnings(plan)))


def _run(
    plan: Plan, out: str | Path, progress: Listener | None, cancel: StopSignal | None, *,
    max_shard_size: int, overwrite: bool, threads: int | None, allow_nonfinite: bool, executor: Any,
    here: torch.device | None, device_name: str | None,
) -> MergeResult:  # fmt: skip
    """Download, compute and write, on this machine or by an executor."""
    overall = OverallProgress(progress)
    listener = None if progress is None else overall

    def fill(writer: ShardWriter, journal: Journal) -> Counter[str]:
        if executor is not None:
            from nbmerge.engine.cluster.executor import run_on

            journal.begin(dict(journal.finished))  # the workers compare the checksums
            return run_on(
                executor, plan.tensors, writer, journal.note, known=journal.finished, progress=listener, cancel=cancel,
                threads=threads, allow_nonfinite=allow_nonfinite, device=device_name,
            )  # fmt: skip
        known = ((t, journal.finished.get(t.name)) for t in plan.tensors)
        journal.begin({t.name: c for t, c in known if c is not None and writer.holds(t, c, cancel)})
        remaining = [t for t in plan.tensors if t.name not in journal.finished]
        overall.resumed = len(plan.tensors) - len(remaining)
        return run(
            remaining, lambda tensor, _: writer.emit(tensor, journal.note), progress=listener, cancel=cancel,
            threads=threads, allow_nonfinite=allow_nonfinite, device=here,
        )  # fmt: skip

    with overall:
        folder = absolute(out)
        remove_leftovers(folder.parent)
        # Before a download that may take an hour; `write_model` checks again what happened to the output in the meantime.
        # The downloaded files are part of the merge's identity, so they must exist before its journal; `run` then finds them.
        check_output(plan, folder, overwrite)
        fetch(plan.tensors, listener, cancel)
        result = write_model(
            plan, folder, fill, max_shard_size=max_shard_size, overwrite=overwrite, device=device_name
        )  # fmt: skip
    return result


def metadata_of(plan: Plan, device: str | None = None) -> dict[str, str]:
    """Metadata for the header of each weights file: the recipe, and the device that was used, if not the CPU."""
    where = {} if device is None else {DEVICE: device}
    return {"nbmerge_recipe": dump_yaml(plan.recipe.plain()), "nbmerge_fingerprint": plan.recipe.fingerprint} | where


def write_model(
    plan: Plan,
    out: Path,
    fill: Callable[[ShardWriter, Journal], Counter[str]],
    *,
    max_shard_size: int | str,
    overwrite: bool,
    device: str | None = None,
) -> MergeResult:
    """Write the model folder of a plan, or the file of bare weights, with weights from any source.

    Parameters
    ----------
    fill : callable
        ``(writer, journal) -> Counter``: passes the blocks of every tensor to ``writer.emit(tensor)``.
    device : str, optional
        The device that was used, if not the CPU; the same merge on another device is a different merge.
    """
    max_shard_size = parse_size_argument("max_shard_size", max_shard_size)
    remove_leftovers(out.parent)
    check_output(plan, out, overwrite)
    began = time.perf_counter()
    one_file = is_one_file(plan, out)
    if one_file:
        max_shard_size = max(plan.bytes_written, 1)
    with (building_file if one_file else building)(out, overwrite) as folder:
        metadata = metadata_of(plan, device) | (room_for_checksums(plan) if one_file else {})
        wanted = identity(plan.tensors, max_shard_size, metadata)
        journal = Journal(beside(out, "journal"), wanted, arithmetic(plan.tensors))
        # files of another unfinished merge must not get into this one
        clear(folder, keep=shard_names(plan.tensors, max_shard_size) if journal.continues else ())
        with closing(ShardWriter(folder, plan.tensors, metadata, max_shard_size)) as writer:
            notes = fill(writer, journal)
            writer.finish()
        checksums = {t.name: writer.checksums[t.name] for t in plan.tensors}
        if one_file:
            write_checksums(folder / SINGLE, checksums)
        else:
            write_companions(plan, folder, checksums)
        journal.announce(folder / SINGLE if one_file else folder)
    notes += journal.notes
    return MergeResult(out, plan, time.perf_counter() - began, notes)
