"""A merged model in memory, without files: sampled at once, updated tensor by tensor, and saved with the same weights.

The tensors are computed by the same code as for disk, into buffers that are the parameters of the transformers model. A change
of the recipe recomputes the tensors whose plan changed, always from the parents, so errors do not accumulate.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

import torch

from nbmerge.arguments import parse_size_argument
from nbmerge.checkpoints import hub
from nbmerge.engine.compute.device import find_device
from nbmerge.engine.cost.live_forecast import check_fits
from nbmerge.engine.live.hf_model import allocate_weights, assemble_model, build_tokenizer
from nbmerge.engine.live.merge_in_memory import MergeInMemory
from nbmerge.engine.live.snapshots import Pin
from nbmerge.engine.live.stacked_parameters import find_places
from nbmerge.engine.live.update import Update
from nbmerge.engine.live.workers import PersistentWorkers
from nbmerge.engine.merge import MergeResult, write_model
from nbmerge.engine.output.folder import absolute
from nbmerge.engine.output.journal import Journal
from nbmerge.engine.output.shards import MAX_SHARD, ShardWriter
from nbmerge.engine.planning.bare import require_model
from nbmerge.engine.planning.planner import plan as make_plan
from nbmerge.engine.planning.plans import Plan, TensorPlan
from nbmerge.progress import Listener, OverallProgress, Reporter
from nbmerge.progress_bars import show_progress

if TYPE_CHECKING:
    from nbmerge.typing import ProgressLike, RecipeLike, StopSignal


@hub.stopping
def live(
    recipe: RecipeLike,
    *,
    progress: ProgressLike = None,
    cancel: StopSignal | None = None,
    threads: int | None = None,
    max_memory: int | str | None = None,
    device: str | None = None,
) -> LiveMerge:
    """Merge into memory.

    Parameters
    ----------
    recipe : Recipe, Plan, or anything that `Recipe.load` reads
    progress, cancel
        As in `merge`.
    threads : int, optional
        Number of workers, also of later updates; results do not depend on it.
    max_memory : int or str, optional
        Memory that it may use in bytes, or a size such as ``"8GB"``; default what is free.
    device : str, optional
        "cuda", "cuda:1", "mps", "auto": where the model is evaluated. Weights are computed on the CPU, so `save` writes the
        same bytes as `merge`; changed tensors are copied to the device.

    Raises
    ------
    ArgumentError
        When `max_memory` or `threads` is invalid.
    RecipeError
        With all problems, before a weight is read.
    TooLargeError
        When it does not fit, before memory is allocated; the message says what would fit.
    SampleError
        When transformers cannot build a model from the result.
    """
    most = None if max_memory is None else parse_size_argument("max_memory", max_memory)
    accelerator = find_device(device)
    plan = make_plan(recipe)
    require_model(plan, "A live merge")
    check_fits(plan, available=most, threads=threads)
    merged = LiveMerge(plan, PersistentWorkers(threads), accelerator)
    try:
        with merged._updating(), show_progress(progress, "Merging in memory", last="building the model") as listener:
            merged._compute(plan.tensors, listener, cancel, threads)
            merged._build()
    except BaseException:
        merged.close()  # the error's traceback would keep weights and workers
        raise
    return merged


class LiveMerge(MergeInMemory):
    """A merge in memory; returned by `live`.

    After an update that was stopped or failed, everything except `update`, `close` and the pins raises `NotReadyError`.

    Attributes
    ----------
    model : PreTrainedModel
        In evaluation mode; its parameters are replaced in place by `update`.
    tokenizer : PreTrainedTokenizerBase or None
        That of the config donor; None if it has none.
    plan : Plan
        The plan of the current weights.
    pins : dict of str to Pin
        Earlier versions that are kept, see `pin`.
    """

    _kind, _maker = "live merge", "nbmerge.live"

    def __init__(self, plan: Plan, workers: PersistentWorkers, device: torch.device | None = None):
        super().__init__(plan)
        self.device = device
        self.workers = workers
        self.pins: dict[str, Pin] = {}
        self._live_pins: WeakSet[Pin] = WeakSet()  # including removed ones that are still in use
        self._weights = allocate_weights(plan)
        self._stale: set[str] = set()
        self._changed_files: set[Path] = set()
        self._copied: set[str] = set()
        self._inside: set[str] = set()
        """Tensors whose memory is a part of a parameter of the model."""
        self._model_tensors: dict[str, list[torch.Tensor]] = {}

    @hub.stopping
    def update(
        self,
        recipe: RecipeLike,
        *,
        progress: ProgressLike = None,
        cancel: StopSignal | None = None,
        threads: int | None = None,
    ) -> Update:
        """Change the model to another recipe, computing only the tensors whose inputs or numbers changed.

        It waits until a call that is using the model has ended. An update that is stopped or fails leaves the model between
        the two recipes: using the model raises `NotReadyError` until another update succeeds.
        `threads` can be at most the number that `live` was given.

        Raises
        ------
        RecipeError, TooLargeError
            The model is unchanged.
        MergeStopped, MergeError
            The model is between the two recipes.
        """
        began = time.perf_counter()
        plan = self.plan_for(recipe)
        with self._lock, show_progress(progress, "Updating the merge", last="building the model") as listener:
            self._require_open()
            if plan.config != self._plan.config or list(map(_shape, plan.tensors)) != list(
                map(_shape, self._plan.tensors)
            ):
                self._rebuild(plan, listener, cancel, threads)
                return Update(tuple(t.name for t in plan.tensors), time.perf_counter() - began)
            changed = self.pending(plan)
            other_tokenizer = plan.tokenizer != self._plan.tokenizer
            # Before the model changes, because this may fail.
            tokenizer = build_tokenizer(plan) if other_tokenizer else self._tokenizer
            with self._updating():
                self._stale = {t.name for t in changed}
                self._detach_from_pins(changed)
                self._plan, self._tokenizer = plan, tokenizer
                self._compute(changed, listener, cancel, threads)
                if self._copied & self._stale:  # an architecture that fuses or reshapes on loading
                    self._build()
                elif self.device is not None:
                    self._copy_to_device(self._stale)
                self._stale, self._changed_files = set(), set()
        return Update(tuple(t.name for t in changed), time.perf_counter() - began)

    def save(
        self,
        out: str | Path,
        *,
        max_shard_size: int = MAX_SHARD,
        overwrite: bool = False,
        progress: ProgressLike = None,
    ) -> MergeResult:
        """Write the model folder with exactly the current tensors; the bytes are those that `merge` writes."""
        with self.locked(), show_progress(progress, "Saving") as listener, OverallProgress(listener) as overall:
            report = Reporter(overall, len(self._plan.tensors), self._plan.bytes_written)

            def fill(writer: ShardWriter, journal: Journal) -> Counter[str]:
                report.tell("planned")
                for tensor in self._plan.tensors:
                    writer.emit(tensor)(0, self._weights[tensor.name].reshape(-1))
                    report.tell("tensor", tensor.name, tensor.nbytes)
                return Counter()

            return write_model(self._plan, absolute(out), fill, max_shard_size=max_shard_size, overwrite=overwrite)

    def pin(self, name: str | None = None) -> Pin:
        """Keep the current weights, to be compared with later ones.

        A pin takes no memory at first; an update that changes a tensor allocates new memory for it. The experts of a mixture,
        which are parts of larger tensors, are copied at once.

        Parameters
        ----------
        name : str, optional
            Default "A", "B", …; a pin of the same name is replaced.
        """
        with self.locked():
            name = name or next(n for n in _pin_names() if n not in self.pins)
            # Parts of parameters are written to by updates, and cannot be given other memory.
            own = {n: w.clone() if n in self._inside else w for n, w in self._weights.items()}
            self.pins[name] = pin = Pin(name, self._plan, own, self._tokenizer)
            self._live_pins.add(pin)
            return pin

    def unpin(self, name: str) -> None:
        """Remove a pin, and free the memory that only it needs."""
        with self._lock:
            del self.pins[name]

    @property
    def pinned_bytes(self) -> int:
        """Memory that pins take in addition to the model, in bytes."""
        kept = {w.data_ptr(): w.nbytes for p in self._live_pins for w in p.weights.values()}
        own = {w.data_ptr() for w in self._weights.values()}
        return sum(size for place, size in kept.items() if place not in own)

    def pending(self, plan: Plan) -> list[TensorPlan]:
        """Tensors that an update to a plan would compute."""
        self._changed_files |= self.workers.mapped.refresh()  # parents that were modified
        files, now = self._changed_files, {t.name: t for t in self._plan.tensors if t.name not in self._stale}

        def is_pending(tensor: TensorPlan) -> bool:
            known = now.get(tensor.name)
            if tensor is not known and tensor != known:  # what did not change is usually the same object
                return True
            return bool(files) and any(leaf.file in files for leaf in tensor.leaves())

        return [tensor for tensor in plan.tensors if is_pending(tensor)]

    def _detach_from_pins(self, changed: Sequence[TensorPlan]) -> None:
        """Allocate new memory for tensors that will be written to and that pins use."""
        kept = {w.data_ptr() for p in self._live_pins for w in p.weights.values()}
        for name in (t.name for t in changed):
            weight = self._weights[name]
            if weight.data_ptr() not in kept:
                continue
            self._weights[name] = fresh = torch.empty_like(weight)
            for tensor in self._model_tensors.get(name, ()) if self.device is None else ():
                tensor.data = fresh

    def _rebuild(self, plan: Plan, progress: Listener | None, cancel: StopSignal | None, threads: int | None) -> None:
        check_fits(plan)
        fresh = LiveMerge(plan, self.workers, self.device)
        fresh._compute(plan.tensors, progress, cancel, threads)
        fresh._build()
        with self._updating():
            self._plan, self._model, self._tokenizer = plan, fresh._model, fresh._tokenizer
            self._weights, self._copied, self._inside = fresh._weights, fresh._copied, fresh._inside
            self._stale, self._changed_files = set(), set()
            self._model_tensors = fresh._model_tensors

    def _compute(
        self,
        tensors: Sequence[TensorPlan],
        progress: Listener | None,
        cancel: StopSignal | None,
        threads: int | None,
    ) -> None:
        targets = {t.name: self._weights[t.name].view(-1) for t in tensors}
        self.workers.compute_into(tensors, lambda t: targets[t.name], progress=progress, cancel=cancel, threads=threads)

    def _build(self) -> None:
        """Let transformers build the model around the buffers, with its own loading code."""
        model = assemble_model(self._plan, self._weights)
        self._tokenizer = build_tokenizer(self._plan)
        by_address: dict[int, list[torch.Tensor]] = {}
        for tensor in [*model.parameters(), *model.buffers()]:
            by_address.setdefault(tensor.data_ptr(), []).append(tensor)
        self._model_tensors = {
            n: by_address[w.data_ptr()] for n, w in self._weights.items() if w.data_ptr() in by_address
        }
        copied = {n: w for n, w in self._weights.items() if n not in self._model_tensors}
        places = find_places(copied, model.named_parameters()) if self.device is None else {}
        self._weights |= places
        self._inside, self._copied = set(places), set(copied) - set(places)
        for tensor in [*model.parameters(), *model.buffers()] if self.device is not None else ():
            tensor.data = tensor.data.to(self.device, copy=True)
        self._model = model

    def _copy_to_device(self, names: Iterable[str]) -> None:
        """Copy tensors to the device of the model."""
        for name in names:
            for tensor in self._model_tensors.get(name, ()):
                tensor.data.copy_(self._weights[name])

    def _release(self) -> None:
        self.workers.close()
        self.pins = {}
        self._weights, self._model_tensors = {}, {}

    def _details(self) -> str:
        return f": {self._plan.parameters:,} parameters in memory"


def _shape(tensor: TensorPlan) -> tuple[Any, ...]:
    return tensor.name, tensor.shape, tensor.dtype


def _pin_names() -> Iterator[str]:
    """A to Z, then 27, 28 and so on."""
    return (chr(ord("A") + i) if i < 26 else str(i + 1) for i in count())
