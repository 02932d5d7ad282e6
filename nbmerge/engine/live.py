"""A merged model in memory, without a file: to be asked at once, changed layer by layer, and saved as it was heard.

The tensors are computed by the same code as on disk, into buffers that the transformers model holds as its parameters.
A change of the recipe recomputes only what the plan says has changed, always from the parents, so nothing drifts.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from nbmerge.checkpoints import hub
from nbmerge.engine.assembled import assembled, empty_weights, tokenizer_of
from nbmerge.engine.crew import Crew
from nbmerge.engine.device import found as found_device
from nbmerge.engine.folder import absolute
from nbmerge.engine.journal import Journal
from nbmerge.engine.memory import check_fits
from nbmerge.engine.merge import MergeResult, write_model
from nbmerge.engine.pins import Pin
from nbmerge.engine.plan import Plan, TensorPlan
from nbmerge.engine.planner import plan as make_plan
from nbmerge.engine.progress import Listener
from nbmerge.engine.revised import plan_after
from nbmerge.engine.shards import MAX_SHARD, ShardWriter
from nbmerge.errors import NbmergeError
from nbmerge.recipe import Recipe

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


@dataclass(frozen=True, slots=True)
class Update:
    """What an update did.

    Parameters
    ----------
    touched : tuple of str
        Names of the tensors that were computed.
    seconds : float
    """

    touched: tuple[str, ...]
    seconds: float

    def __repr__(self) -> str:
        return f"<Update: {len(self.touched)} tensors in {1000 * self.seconds:.1f} ms>"


@hub.stopping
def live(
    recipe: Recipe | str | Plan,
    *,
    progress: Listener | None = None,
    cancel: threading.Event | None = None,
    threads: int | None = None,
    max_memory: int | None = None,
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
    max_memory : int, optional
        Bytes that it may take; default what the machine has free.
    device : str, optional
        "cuda", "cuda:1", "mps", "auto": where the model is asked. Weights are computed on the processor, so what is saved is
        what `merge` writes; what changed is copied over.

    Raises
    ------
    RecipeError
        With all problems, before a weight is read.
    TooLargeError
        When it does not fit, before memory is taken; the message says what would.
    SampleError
        When transformers cannot make a model of the result.
    """
    accelerator = found_device(device)
    plan = recipe if isinstance(recipe, Plan) else make_plan(recipe)
    check_fits(plan, available=max_memory, threads=threads)
    merged = LiveMerge(plan, Crew(threads), accelerator)
    merged._compute(plan.tensors, progress, cancel, threads)
    merged._build()
    return merged


class LiveMerge:
    """A merge in memory; made by `live`.

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

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase | None

    def __init__(self, plan: Plan, crew: Crew, device: torch.device | None = None):
        self.plan = plan
        self.device = device
        self.crew = crew
        self.pins: dict[str, Pin] = {}
        self._weights = empty_weights(plan)
        self._stale: set[str] = set()
        self._altered: set[Path] = set()
        self._copied: set[str] = set()
        self._lock = threading.RLock()

    @property
    def recipe(self) -> Recipe:
        """The recipe that the model holds."""
        return self.plan.recipe

    @hub.stopping
    def update(
        self,
        recipe: Recipe | str | Plan,
        *,
        progress: Listener | None = None,
        cancel: threading.Event | None = None,
        threads: int | None = None,
    ) -> Update:
        """Change the model to another recipe, computing only the tensors whose inputs or numbers changed.

        It waits for whoever asks the model at that moment. A stopped update leaves the model between the two recipes;
        the next one mends it. `threads` may be fewer than `live` was given.

        Raises
        ------
        RecipeError, TooLargeError
            The model is as it was.
        MergeStopped, MergeError
            The model is between the two recipes.
        """
        began = time.perf_counter()
        plan = recipe if isinstance(recipe, Plan) else plan_after(self.plan, recipe)
        with self._lock:
            if plan.config != self.plan.config or list(map(_shape, plan.tensors)) != list(
                map(_shape, self.plan.tensors)
            ):
                self._start_over(plan, progress, cancel, threads)
                return Update(tuple(t.name for t in plan.tensors), time.perf_counter() - began)
            changed = self.pending(plan)
            self._own(changed)
            self._stale = {t.name for t in changed}
            if plan.tokenizer != self.plan.tokenizer:
                self.tokenizer = tokenizer_of(plan)
            self.plan = plan
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
            for tensor in self.plan.tensors:
                writer.emit(tensor)(0, self._weights[tensor.name].reshape(-1))
            return Counter()

        with self._lock:
            self._refuse_half()
            return write_model(self.plan, absolute(out), fill, max_shard_size=max_shard_size, overwrite=overwrite)

    def pin(self, name: str | None = None) -> Pin:
        """Keep what the model holds now, to be asked side by side with what comes.

        It takes no memory by itself; an update leaves the tensors that it changes to the pins and takes new ones.

        Parameters
        ----------
        name : str, optional
            Default "A", "B", … ; a pin of the same name is let go.
        """
        with self._lock:
            self._refuse_half()
            name = name or next(n for n in _names() if n not in self.pins)
            self.pins[name] = Pin(name, self.plan, dict(self._weights), self.tokenizer)
            return self.pins[name]

    def unpin(self, name: str) -> None:
        """Let a pin go, and with it the memory that nobody else needs."""
        with self._lock:
            del self.pins[name]

    @property
    def pinned_bytes(self) -> int:
        """Memory that pins take beside the model's own."""
        kept = {w.data_ptr(): w.nbytes for p in self.pins.values() for w in p.weights.values()}
        own = {w.data_ptr() for w in self._weights.values()}
        return sum(size for place, size in kept.items() if place not in own)

    def pending(self, plan: Plan) -> list[TensorPlan]:
        """Tensors that an update to a plan would compute."""
        self._altered |= self.crew.mapped.refresh()  # files of parents that were saved anew under the same names
        files, now = self._altered, {t.name: t for t in self.plan.tensors if t.name not in self._stale}
        return [t for t in plan.tensors if t != now.get(t.name) or (files and any(i.file in files for i in t.leaves()))]

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep the model as it is: updates wait. Whoever samples or scores it does so by itself."""
        with self._lock:
            yield

    def _own(self, changed: Sequence[TensorPlan]) -> None:
        """Leave the tensors that will be written to those pins that hold them, and take new ones."""
        kept = {w.data_ptr() for p in self.pins.values() for w in p.weights.values()}
        for name in (t.name for t in changed):
            weight = self._weights[name]
            if weight.data_ptr() not in kept:
                continue
            self._weights[name] = fresh = torch.empty_like(weight)
            for held in self._held_by_model.get(name, ()) if self.device is None else ():
                held.data = fresh

    def _start_over(self, plan: Plan, progress, cancel, threads) -> None:
        check_fits(plan)
        fresh = LiveMerge(plan, self.crew, self.device)
        fresh._compute(plan.tensors, progress, cancel, threads)
        fresh._build()
        self.plan, self.model, self.tokenizer = plan, fresh.model, fresh.tokenizer
        self._weights, self._copied = fresh._weights, fresh._copied
        self._stale, self._altered = set(), set()
        self._held_by_model = fresh._held_by_model

    def _compute(self, tensors, progress, cancel, threads) -> None:
        place = {t.name: self._weights[t.name].view(-1) for t in tensors}
        self.crew.run(tensors, lambda t: place[t.name], progress=progress, cancel=cancel, threads=threads)

    def _build(self) -> None:
        """Let transformers make the model around our buffers, by its own loading code."""
        self.model = assembled(self.plan, self._weights)
        self.tokenizer = tokenizer_of(self.plan)
        held: dict[int, list[torch.Tensor]] = {}
        for tensor in [*self.model.parameters(), *self.model.buffers()]:
            held.setdefault(tensor.data_ptr(), []).append(tensor)
        self._held_by_model = {n: held[w.data_ptr()] for n, w in self._weights.items() if w.data_ptr() in held}
        self._copied = set(self._weights) - set(self._held_by_model)
        for tensor in [*self.model.parameters(), *self.model.buffers()] if self.device is not None else ():
            tensor.data = tensor.data.to(self.device, copy=True)

    def _bring_over(self, names: Iterable[str]) -> None:
        """Copy tensors to the device that the model is on."""
        for name in names:
            for held in self._held_by_model.get(name, ()):
                held.data.copy_(self._weights[name])

    def _refuse_half(self) -> None:
        if self._stale:
            raise NbmergeError("The last update was stopped half-way. Call update with the wanted recipe first.")

    def __repr__(self) -> str:
        return f"<LiveMerge {self.recipe!r}: {self.plan.parameters:,} parameters in memory>"


def _shape(tensor: TensorPlan) -> tuple:
    return tensor.name, tensor.shape, tensor.dtype


def _names() -> Iterator[str]:
    """A to Z, then 27, 28 and so on."""
    return (chr(ord("A") + i) if i < 26 else str(i + 1) for i in count())
