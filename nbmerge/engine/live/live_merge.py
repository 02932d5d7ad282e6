"""A merged model in memory, without a file: sampled at once, changed layer by layer, and saved with the same weights.

The tensors are computed by the same code as on disk, into buffers that the transformers model holds as its parameters.
A change of the recipe recomputes only what the plan says has changed, always from the parents, so nothing drifts.
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
from nbmerge.engine.live.merge_in_memory import MergeInMemory
from nbmerge.engine.live.snapshots import Pin
from nbmerge.engine.live.update import Update
from nbmerge.engine.live.workers import LastingWorkers
from nbmerge.engine.loading.hf_model import assembled, empty_weights, tokenizer_of
from nbmerge.engine.merge import MergeResult, write_model
from nbmerge.engine.output.folder import absolute
from nbmerge.engine.output.journal import Journal
from nbmerge.engine.output.shards import MAX_SHARD, ShardWriter
from nbmerge.engine.planning.planner import plan as make_plan
from nbmerge.engine.planning.plans import Plan, TensorPlan
from nbmerge.progress import Listener

if TYPE_CHECKING:
    from nbmerge.typing import RecipeLike, StopSignal


@hub.stopping
def live(
    recipe: RecipeLike,
    *,
    progress: Listener | None = None,
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
        Bytes that it may take, or a size such as ``"8GB"``; default what the machine has free.
    device : str, optional
        "cuda", "cuda:1", "mps", "auto": where the model is asked. Weights are computed on the processor, so what is saved is
        what `merge` writes; what changed is copied over.

    Raises
    ------
    ArgumentError
        When `max_memory` or `threads` is not what it should be.
    RecipeError
        With all problems, before a weight is read.
    TooLargeError
        When it does not fit, before memory is taken; the message says what would.
    SampleError
        When transformers cannot make a model of the result.
    """
    most = None if max_memory is None else parse_size_argument("max_memory", max_memory)
    accelerator = find_device(device)
    plan = make_plan(recipe)
    check_fits(plan, available=most, threads=threads)
    merged = LiveMerge(plan, LastingWorkers(threads), accelerator)
    try:
        with merged._changing():
            merged._compute(plan.tensors, progress, cancel, threads)
            merged._build()
    except BaseException:
        merged.close()  # the error's traceback would keep weights and workers
        raise
    return merged


class LiveMerge(MergeInMemory):
    """A merge in memory; made by `live`.

    After an update that was stopped or failed, everything but `update`, `close` and the pins raises `NotReadyError`.

    Attributes
    ----------
    model : PreTrainedModel
        In evaluation mode; its parameters are replaced in place by `update`.
    tokenizer : PreTrainedTokenizerBase or None
        That of the config donor; None where it has none.
    plan : Plan
        What the model holds now.
    pins : dict of str to Pin
        Earlier merges that are kept, see `pin`.
    """

    _kind, _maker = "live merge", "nbmerge.live"

    def __init__(self, plan: Plan, workers: LastingWorkers, device: torch.device | None = None):
        super().__init__(plan)
        self.device = device
        self.workers = workers
        self.pins: dict[str, Pin] = {}
        self._pins_alive: WeakSet[Pin] = WeakSet()  # also those that were let go and that somebody still asks
        self._weights = empty_weights(plan)
        self._stale: set[str] = set()
        self._altered: set[Path] = set()
        self._copied: set[str] = set()
        self._held_by_model: dict[str, list[torch.Tensor]] = {}

    @hub.stopping
    def update(
        self,
        recipe: RecipeLike,
        *,
        progress: Listener | None = None,
        cancel: StopSignal | None = None,
        threads: int | None = None,
    ) -> Update:
        """Change the model to another recipe, computing only the tensors whose inputs or numbers changed.

        It waits for whoever asks the model at that moment. An update that is stopped or fails leaves the model between
        the two recipes: until another one comes to its end, whoever asks the model gets a `NotReadyError`.
        `threads` may be fewer than `live` was given.

        Raises
        ------
        RecipeError, TooLargeError
            The model is as it was.
        MergeStopped, MergeError
            The model is between the two recipes.
        """
        began = time.perf_counter()
        plan = self.plan_for(recipe)
        with self._lock:
            self._require_open()
            if plan.config != self._plan.config or list(map(_shape, plan.tensors)) != list(
                map(_shape, self._plan.tensors)
            ):
                self._start_over(plan, progress, cancel, threads)
                return Update(tuple(t.name for t in plan.tensors), time.perf_counter() - began)
            changed = self.pending(plan)
            other_tokenizer = plan.tokenizer != self._plan.tokenizer
            tokenizer = tokenizer_of(plan) if other_tokenizer else self._tokenizer  # what may fail comes first
            with self._changing():
                self._stale = {t.name for t in changed}
                self._own(changed)
                self._plan, self._tokenizer = plan, tokenizer
                self._compute(changed, progress, cancel, threads)
                if self._copied & self._stale:  # an architecture that fuses or reshapes on loading
                    self._build()
                elif self.device is not None:
                    self._bring_over(self._stale)
                self._stale, self._altered = set(), set()
        return Update(tuple(t.name for t in changed), time.perf_counter() - began)

    def save(self, out: str | Path, *, max_shard_size: int = MAX_SHARD, overwrite: bool = False) -> MergeResult:
        """Write the model folder with exactly the tensors that the model holds; the same bytes as `merge` writes."""

        def fill(writer: ShardWriter, journal: Journal) -> Counter[str]:
            for tensor in self._plan.tensors:
                writer.emit(tensor)(0, self._weights[tensor.name].reshape(-1))
            return Counter()

        with self.held():
            return write_model(self._plan, absolute(out), fill, max_shard_size=max_shard_size, overwrite=overwrite)

    def pin(self, name: str | None = None) -> Pin:
        """Keep what the model holds now, to be asked side by side with what comes.

        It takes no memory by itself; an update leaves the tensors that it changes to the pins and takes new ones.

        Parameters
        ----------
        name : str, optional
            Default "A", "B", … ; a pin of the same name is let go.
        """
        with self.held():
            name = name or next(n for n in _names() if n not in self.pins)
            self.pins[name] = pin = Pin(name, self._plan, dict(self._weights), self._tokenizer)
            self._pins_alive.add(pin)
            return pin

    def unpin(self, name: str) -> None:
        """Remove a pin, and free the memory that only it needs."""
        with self._lock:
            del self.pins[name]

    @property
    def pinned_bytes(self) -> int:
        """Memory that pins take beside the model's own."""
        kept = {w.data_ptr(): w.nbytes for p in self._pins_alive for w in p.weights.values()}
        own = {w.data_ptr() for w in self._weights.values()}
        return sum(size for place, size in kept.items() if place not in own)

    def pending(self, plan: Plan) -> list[TensorPlan]:
        """Tensors that an update to a plan would compute."""
        self._altered |= self.workers.mapped.refresh()  # files of parents that were saved anew under the same names
        files, now = self._altered, {t.name: t for t in self._plan.tensors if t.name not in self._stale}
        return [t for t in plan.tensors if t != now.get(t.name) or (files and any(i.file in files for i in t.leaves()))]

    def _own(self, changed: Sequence[TensorPlan]) -> None:
        """Leave the tensors that will be written to those pins that hold them, and take new ones."""
        kept = {w.data_ptr() for p in self._pins_alive for w in p.weights.values()}
        for name in (t.name for t in changed):
            weight = self._weights[name]
            if weight.data_ptr() not in kept:
                continue
            self._weights[name] = fresh = torch.empty_like(weight)
            for held in self._held_by_model.get(name, ()) if self.device is None else ():
                held.data = fresh

    def _start_over(self, plan: Plan, progress, cancel, threads) -> None:
        check_fits(plan)
        fresh = LiveMerge(plan, self.workers, self.device)
        fresh._compute(plan.tensors, progress, cancel, threads)
        fresh._build()
        with self._changing():
            self._plan, self._model, self._tokenizer = plan, fresh._model, fresh._tokenizer
            self._weights, self._copied = fresh._weights, fresh._copied
            self._stale, self._altered = set(), set()
            self._held_by_model = fresh._held_by_model

    def _compute(self, tensors, progress, cancel, threads) -> None:
        place = {t.name: self._weights[t.name].view(-1) for t in tensors}
        self.workers.compute_into(tensors, lambda t: place[t.name], progress=progress, cancel=cancel, threads=threads)

    def _build(self) -> None:
        """Let transformers make the model around our buffers, by its own loading code."""
        model = assembled(self._plan, self._weights)
        self._tokenizer = tokenizer_of(self._plan)
        held: dict[int, list[torch.Tensor]] = {}
        for tensor in [*model.parameters(), *model.buffers()]:
            held.setdefault(tensor.data_ptr(), []).append(tensor)
        self._held_by_model = {n: held[w.data_ptr()] for n, w in self._weights.items() if w.data_ptr() in held}
        self._copied = set(self._weights) - set(self._held_by_model)
        for tensor in [*model.parameters(), *model.buffers()] if self.device is not None else ():
            tensor.data = tensor.data.to(self.device, copy=True)
        self._model = model

    def _bring_over(self, names: Iterable[str]) -> None:
        """Copy tensors to the device that the model is on."""
        for name in names:
            for held in self._held_by_model.get(name, ()):
                held.data.copy_(self._weights[name])

    def _release(self) -> None:
        self.workers.close()
        self.pins = {}
        self._weights, self._held_by_model = {}, {}

    def _details(self) -> str:
        return f": {self._plan.parameters:,} parameters in memory"


def _shape(tensor: TensorPlan) -> tuple[Any, ...]:
    return tensor.name, tensor.shape, tensor.dtype


def _names() -> Iterator[str]:
    """A to Z, then 27, 28 and so on."""
    return (chr(ord("A") + i) if i < 26 else str(i + 1) for i in count())
