"""The main job: a recipe in, a model folder out."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nbmerge.arguments import parse_size_argument
from nbmerge.checkpoints import hub
from nbmerge.engine.compute.device import DEVICE
from nbmerge.engine.compute.device import found as found_device
from nbmerge.engine.compute.download import fetch
from nbmerge.engine.compute.pool import run
from nbmerge.engine.compute.threads import parse_threads
from nbmerge.engine.output.commit import beside
from nbmerge.engine.output.folder import absolute, building, check_output, clear, write_companions
from nbmerge.engine.output.journal import Journal, identity
from nbmerge.engine.output.leftovers import remove_leftovers
from nbmerge.engine.output.shards import MAX_SHARD, ShardWriter, shard_names
from nbmerge.engine.planning.planner import plan as make_plan
from nbmerge.engine.planning.plans import Plan
from nbmerge.progress import Listener, Whole
from nbmerge.recipe import Recipe
from nbmerge.recipe.yaml_text import dump_yaml
from nbmerge.sizes import human


@dataclass(frozen=True)
class MergeResult:
    """What a merge wrote.

    Parameters
    ----------
    path : Path
        The model folder; `transformers` loads it with ``from_pretrained``.
    plan : Plan
    seconds : float
    notes : Counter
        Special cases that occurred, with the number of tensors.
    """

    path: Path
    plan: Plan
    seconds: float
    notes: Counter[str]

    def __repr__(self) -> str:
        size = human(self.plan.bytes_written)
        notes = "".join(f"; {n} {'tensor' if n == 1 else 'tensors'}: {text}" for text, n in self.notes.items())
        return f"<MergeResult {self.path}: {len(self.plan.tensors)} tensors, {size}, {self.seconds:.1f} s{notes}>"


@hub.stopping
def merge(
    recipe: Recipe | str | Plan,
    out: str | Path,
    *,
    max_shard_size: int | str = MAX_SHARD,
    overwrite: bool = False,
    threads: int | None = None,
    progress: Listener | None = None,
    cancel: threading.Event | None = None,
    allow_nonfinite: bool = False,
    executor: Any = None,
    device: str | None = None,
) -> MergeResult:
    """Carry out a recipe and write an ordinary model folder.

    The weights are streamed: memory holds a few blocks of each input, never a model. The folder appears under its name
    only when it is complete.

    Parameters
    ----------
    recipe : Recipe, Plan, or anything that `Recipe.load` reads
    out : path
        Folder to create. It must not exist, unless `overwrite` is set and it is a model folder.
    max_shard_size : int or str
        Most bytes of weights in one file, or a size such as ``"2GB"``.
    overwrite : bool
        Replace an existing model folder, once the new one is complete.
    threads : int, optional
        Workers; the result does not depend on it.
    progress : callable, optional
        Takes an `nbmerge.progress.Event`.
    cancel : threading.Event, optional
        Set it from anywhere to stop.
    allow_nonfinite : bool
        Write NaN and infinity where inputs hold them or the dtype is too narrow, instead of stopping.
    executor : dask.distributed.Client or concurrent.futures.Executor, optional
        Whose workers do the work, with the same result; they must see inputs and output under the same paths as this
        process. `threads` is then for each task (default 1).
    device : str, optional
        "cuda", "cuda:1", "mps", "auto": where blocks are mixed; on the workers, if there is an executor. Results agree with those of
        the processor to one unit in the last place, see `nbmerge.engine.compute.device`.

    Raises
    ------
    ArgumentError
        When `max_shard_size` or `threads` is not what it should be, before anything else.
    RecipeError
        With all problems, before anything is written.
    OutputError
        When the folder cannot or must not be written, before anything is written.
    MergeStopped, MergeError
        Nothing lies under the output's name, and inputs are never touched. What is finished is kept beside it
        (``.OUT.nbmerge-partial``): the same merge goes on from there, with the same result.
    """
    max_shard_size = parse_size_argument("max_shard_size", max_shard_size)
    parse_threads(threads)  # a wrong number is refused before anything is downloaded or written
    accelerator = found_device(device) if executor is None else None if device == "cpu" else device
    plan = recipe if isinstance(recipe, Plan) else make_plan(recipe)

    whole = Whole(progress)

    def fill(writer: ShardWriter, journal: Journal) -> Counter[str]:
        more = {
            "progress": progress and whole,
            "cancel": cancel,
            "threads": threads,
            "allow_nonfinite": allow_nonfinite,
        }
        more["device"] = accelerator
        if executor is not None:
            from nbmerge.engine.cluster.executor import run_on

            journal.begin(dict(journal.finished))  # workers look whether it is sound
            return run_on(executor, plan.tensors, writer, journal.note, known=journal.finished, **more)
        known = ((t, journal.finished.get(t.name)) for t in plan.tensors)
        journal.begin({t.name: c for t, c in known if c is not None and writer.holds(t, c, cancel)})
        left = [t for t in plan.tensors if t.name not in journal.finished]
        whole.kept = len(plan.tensors) - len(left)

        def sink(tensor, blocks):
            return writer.emit(tensor, journal.note)

        return run(left, sink, **more)

    with whole:
        remove_leftovers(absolute(out).parent)
        # Before a download that may take an hour; `write_model` looks again, at what happened to the output meanwhile. What
        # is fetched here is part of the merge's identity, so it must be there before its journal is; `run` then finds it.
        check_output(plan, absolute(out), overwrite)
        fetch(plan.tensors, progress and whole, cancel)
        place = accelerator and str(accelerator)
        return write_model(plan, absolute(out), fill, max_shard_size=max_shard_size, overwrite=overwrite, device=place)


def metadata_of(plan: Plan, device: str | None = None) -> dict[str, str]:
    """What the header of each weights file says beside the tensors: also where they were mixed, if not on the processor."""
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
    """Write a plan's model folder, its weights from wherever they are.

    Parameters
    ----------
    fill : callable
        ``(writer, journal) -> Counter``: hands every tensor's blocks to ``writer.emit(tensor)``.
    device : str, optional
        Where they were mixed, if not on the processor; a merge that was mixed elsewhere is another merge.
    """
    max_shard_size = parse_size_argument("max_shard_size", max_shard_size)
    remove_leftovers(out.parent)
    check_output(plan, out, overwrite)
    began = time.perf_counter()
    with building(out, overwrite) as folder:
        metadata = metadata_of(plan, device)
        journal = Journal(beside(out, "journal"), identity(plan.tensors, max_shard_size, metadata))
        # what another merge left here must not get into this one
        clear(folder, keep=shard_names(plan.tensors, max_shard_size) if journal.continues else ())
        with closing(ShardWriter(folder, plan.tensors, metadata, max_shard_size)) as writer:
            notes = fill(writer, journal)
            writer.finish()
        write_companions(plan, folder, {t.name: writer.checksums[t.name] for t in plan.tensors})
        journal.announce(folder)
    notes += journal.notes
    return MergeResult(out, plan, time.perf_counter() - began, notes)
