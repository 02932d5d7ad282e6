"""Models in memory that can be sampled: the parents, the merge, and merges that were pinned. No widgets here.

The merge is a live merge, whose weights are computed, or a virtual merge, which is evaluated from its parents' files;
`nbmerge.engine.live.backend_choice` chooses. Each model is loaded when it is first needed, and kept.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import count
from string import ascii_uppercase
from typing import TYPE_CHECKING, Any

from nbmerge.engine.cost import LiveForecast, forecast_live
from nbmerge.engine.planning import Plan
from nbmerge.errors import MergeStopped, NotReadyError, TooLargeError, VirtualError
from nbmerge.model_ref import ModelRef
from nbmerge.recipe import Recipe
from nbmerge.sizes import human
from nbmerge.widgets.state.activities import Activities

if TYPE_CHECKING:
    from nbmerge.engine.live import LiveMerge, Pin, VirtualMerge
    from nbmerge.typing import Askable

AUTOMATIC, LIVE, VIRTUAL = "automatic", "live", "virtual"
FRESH = 1.0
"""Seconds for which it is believed that as much memory is free."""


@dataclass(frozen=True)
class PooledModel:
    """A model that is ready to be sampled.

    Parameters
    ----------
    model : Askable
    description : str
        How it was prepared, for people: "live merge, 9 of 75 tensors updated in 3 ms".
    """

    model: Askable
    description: str = ""


class ModelPool:
    """Keeps models in memory between one request and the next.

    Parameters
    ----------
    activities : Activities, optional
        Where what loads a model is listed; it is told what is going on.

    Attributes
    ----------
    live : LiveMerge or None
    virtual : VirtualMerge or None
    """

    def __init__(self, activities: Activities | None = None) -> None:
        self._activities = activities if activities is not None else Activities()
        self.live: LiveMerge | None = None
        self.virtual: VirtualMerge | None = None
        self._parents: dict[str, Askable] = {}
        self._family: frozenset[str] | None = None
        self._forecast: tuple[Any, MemoryForecast, float] | None = None
        self._lock = threading.RLock()

    # --- models ---

    def load_parent(self, plan: Plan, label: str, cancel: threading.Event | None = None) -> PooledModel:
        """A parent, loaded once; a parent that is itself a merge is merged in memory. Those of other plans are freed."""
        from nbmerge.engine.live import live
        from nbmerge.sampling import load

        ref, key = _reference_of(plan, label), self.parent_key(plan, label)
        merge = plan.recipe.merge_named(ref)
        with self._lock:
            _raise_if_stopped(cancel)
            self._keep_parents({self.parent_key(plan, parent) for parent in plan.parents} | {key})
            if key not in self._parents:
                self.note(f"loading {label}")
                is_merged = merge is not None or ref.lora  # an adapter is applied as a merge of one model
                recipe = merge or plan.recipe.of({"merge_method": "passthrough", "models": [ref]})
                self._parents[key] = live(recipe) if is_merged else load(str(plan.checkpoints[ref].path))
            return PooledModel(self._parents[key])

    def note(self, words: str) -> None:
        """Say what the work that the calling thread does is doing."""
        if (activity := self._activities.current) is not None:
            activity.begin(words)

    def parent_key(self, plan: Plan, label: str) -> str:
        """What identifies a parent across plans, whatever its label."""
        ref = _reference_of(plan, label)
        merge = plan.recipe.merge_named(ref)
        return merge.fingerprint if merge else f"{plan.checkpoints[ref].path} {' '.join(ref.lora)}"

    def load_merge(
        self, plan: Plan, backend: str = AUTOMATIC, cancel: threading.Event | None = None,
        prompt_tokens: int = 16, new_tokens: int = 1,
    ) -> PooledModel:  # fmt: skip
        """The merge of a plan; a live merge that is here already is updated.

        Parameters
        ----------
        backend : "automatic", "live" or "virtual"
        cancel : threading.Event, optional
            Stops computing weights once it is set.
        prompt_tokens, new_tokens : int
            Size of the request, for the automatic choice.

        Raises
        ------
        TooLargeError, VirtualError, MergeStopped
        """
        with self._lock:
            _raise_if_stopped(cancel)
            if backend == AUTOMATIC:
                backend = self._choose_backend(plan, prompt_tokens, new_tokens)
            if backend == VIRTUAL:
                return self._update_virtual(plan)
            merge, description = self._update_live(plan, cancel)
            return PooledModel(merge, description)

    def _choose_backend(self, plan: Plan, prompt_tokens: int, new_tokens: int) -> str:
        from nbmerge.engine.live import choose_backend

        if plan.virtual_obstacle is not None and (self.live is not None or forecast_live(plan).fits):
            return LIVE
        return choose_backend(plan, self.live, prompt_tokens=prompt_tokens, new_tokens=new_tokens).kind

    def _update_live(self, plan: Plan, cancel: threading.Event | None) -> tuple[LiveMerge, str]:
        from nbmerge.engine.live import live

        self.note("merging in memory")
        activity = self._activities.current
        progress = activity.report if activity is not None else None
        if self.live is None:
            self.live = live(plan, progress=progress, cancel=cancel)
            return self.live, f"live merge, all {len(plan.tensors)} tensors computed"
        update = self.live.update(plan, progress=progress, cancel=cancel)
        change = f"{len(update.touched)} of {len(plan.tensors)} tensors updated in {1000 * update.seconds:.0f} ms"
        return self.live, f"live merge, {change if update.touched else 'up to date'}"

    def _update_virtual(self, plan: Plan) -> PooledModel:
        from nbmerge.engine.live import virtual

        if (reason := plan.virtual_obstacle) is not None:
            raise VirtualError(f"This merge cannot be evaluated as a virtual merge: {reason}")
        if self.virtual is None or self.virtual.plan.method is not plan.method:
            self.virtual = virtual(plan)
        else:
            self.virtual.update(plan)
        return PooledModel(self.virtual, "virtual merge, evaluated from its parents’ files")

    # --- pins ---

    @property
    def pins(self) -> dict[str, Pin]:
        """Pinned merges of the present models, by name."""
        pins = dict(self.live.pins) if self.live is not None else {}
        return {name: pin for name, pin in pins.items() if self._is_of_family(pin.recipe)}

    def pin(self, plan: Plan, cancel: threading.Event | None = None, taken: Iterable[str] = ()) -> str:
        """Keep the merge of a plan in memory, to be sampled beside later ones; returns its name.

        Parameters
        ----------
        plan : Plan
        cancel : threading.Event, optional
        taken : iterable of str
            Names of pins of earlier sessions, of which only the recipes are left.
        """
        with self._lock:
            _raise_if_stopped(cancel)
            merge, _ = self._update_live(plan, cancel)
            used = {*merge.pins, *taken}
            return merge.pin(next(name for name in _list_pin_names() if name not in used)).name

    def unpin(self, name: str) -> None:
        """Free a pinned merge."""
        with self._lock:
            if self.live is not None:
                self.live.unpin(name)

    # --- another family ---

    def keep_family(self, recipe: Recipe) -> None:
        """Free the models that have nothing in common with a recipe's, as soon as the work that uses them has ended."""
        self._family = frozenset(map(str, recipe.references))
        if self.live is not None or self.virtual is not None or self._parents:
            threading.Thread(target=self._free_others, name="nbmerge release", daemon=True).start()

    def _free_others(self) -> None:
        with self._lock:
            if self.live is not None and not self._is_kept(self.live):
                self.live.close()
                self.live = None
            if self.virtual is not None and not self._is_kept(self.virtual):
                self.virtual.close()
                self.virtual = None
            if self.live is not None:
                for name in self.live.pins.keys() - self.pins.keys():
                    self.live.unpin(name)

    def _is_kept(self, merge: LiveMerge | VirtualMerge) -> bool:
        try:
            return self._is_of_family(merge.recipe)
        except NotReadyError:  # between two recipes, because its update was stopped
            return False

    def _is_of_family(self, recipe: Recipe) -> bool:
        return self._family is None or not self._family.isdisjoint(map(str, recipe.references))

    # --- the end ---

    def release(self) -> None:
        """Free all models and their workers; they are loaded again when they are needed."""
        with self._lock:
            for merge in (self.live, self.virtual):
                if merge is not None:
                    merge.close()
            self.live = self.virtual = None
            self._keep_parents(set())

    def _keep_parents(self, keys: set[str]) -> None:
        for key in self._parents.keys() - keys:
            from nbmerge.engine.live import LiveMerge  # with torch, which a pool without models does not need

            parent = self._parents.pop(key)
            if isinstance(parent, LiveMerge):
                parent.close()

    # --- cost ---

    def forecast(self, plan: Plan, parents: bool) -> MemoryForecast:
        """The memory that sampling needs, before any of it is taken."""
        asked = plan.family, parents, tuple(self.pins), self.live is not None, frozenset(self._parents)
        if self._forecast is None or self._forecast[0] != asked or time.monotonic() > self._forecast[2]:
            self._forecast = asked, self._make_forecast(plan, parents), time.monotonic() + FRESH
        return self._forecast[1]

    def _make_forecast(self, plan: Plan, parents: bool) -> MemoryForecast:
        parent_bytes = sum(plan.checkpoints[r].nbytes for r in plan.checkpoints if plan.labels[r] in plan.parents)
        keys = {self.parent_key(plan, p) for p in plan.parents}
        to_load = parent_bytes if parents and not keys <= set(self._parents) else 0
        return MemoryForecast(
            forecast_live(plan, [pin.plan for pin in self.pins.values()]), to_load, self.live is not None
        )


def _list_pin_names() -> Iterator[str]:
    """One letter, then a letter and a number: A, B, … Z, A2, B2 and so on."""
    yield from ascii_uppercase
    yield from (f"{letter}{number}" for number in count(2) for letter in ascii_uppercase)


def _reference_of(plan: Plan, label: str) -> ModelRef:
    return next(ref for ref in plan.checkpoints if plan.labels[ref] == label)


def _raise_if_stopped(cancel: threading.Event | None) -> None:
    """Load nothing for a request that was stopped: what was released meanwhile stays released."""
    if cancel is not None and cancel.is_set():
        raise MergeStopped("Stopped.")


@dataclass(frozen=True)
class MemoryForecast:
    """Memory for a live merge and its parents beside it.

    Parameters
    ----------
    live : LiveForecast
    parents : int
        Bytes of parents that are still to be loaded.
    is_loaded : bool
        Whether the live merge is in memory already.
    """

    live: LiveForecast
    parents: int
    is_loaded: bool

    @property
    def needed(self) -> int:
        """Bytes that are still to be taken."""
        return self.parents + (0 if self.is_loaded else self.live.needed)

    @property
    def fits(self) -> bool:
        """Whether it fits into the free memory, where that is known."""
        free = self.live.available
        return free is None or self.needed <= free * 0.95

    @property
    def alternatives(self) -> tuple[str, ...]:
        """What takes less."""
        own = (f"leave out the parents ({human(self.parents)} less)",) if self.parents else ()
        return (*own, *self.live.alternatives)

    def check(self) -> None:
        """Refuse what does not fit.

        Raises
        ------
        TooLargeError
        """
        if not self.fits:
            raise TooLargeError(f"Sampling {self}. Instead: {'; '.join(self.alternatives)}.")

    def __str__(self) -> str:
        parts = [] if self.is_loaded else [f"{human(self.live.model_bytes)} for the merge"]
        parts += [f"{human(self.live.buffer_bytes)} while it is computed"] if not self.is_loaded else []
        parts += [f"{human(self.parents)} for the parents"] if self.parents else []
        free = "" if self.live.available is None else f"; {human(self.live.available)} are free"
        detail = f" ({', '.join(parts)})" if parts else ""
        return f"needs {human(self.needed)} of memory{detail}{free}"
