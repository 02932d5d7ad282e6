"""Who can be asked: the parents, the merge, and merges that were pinned. No widgets here.

The merge speaks through a live model, whose weights are made, or through a virtual merge, which is evaluated from its
parents' files; `nbmerge.engine.live.backend_choice` chooses. Everything is made when it is first asked, and kept.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nbmerge.engine.cost import LiveForecast, forecast_live
from nbmerge.engine.planning import Plan
from nbmerge.errors import MergeStopped, TooLargeError, VirtualError
from nbmerge.sizes import human

if TYPE_CHECKING:
    from nbmerge.engine.live import LiveMerge, VirtualMerge

AUTOMATIC, LIVE, VIRTUAL = "automatic", "live", "virtual"


@dataclass(frozen=True)
class Speaker:
    """A model to ask.

    Parameters
    ----------
    model : whatever `nbmerge.sample` takes
    words : str
        Who it is, for people: "live model, 9 of 75 tensors made anew in 3 ms".
    """

    model: Any
    words: str = ""


class Stage:
    """Holds models between one question and the next.

    Attributes
    ----------
    live : LiveMerge or None
    virtual : VirtualMerge or None
    """

    def __init__(self):
        self.live: LiveMerge | None = None
        self.virtual: VirtualMerge | None = None
        self._parents: dict[str, Any] = {}
        self._lock = threading.RLock()

    # --- who is asked ---

    def parent(self, plan: Plan, label: str, cancel: threading.Event | None = None) -> Speaker:
        """A parent, loaded once; a parent that is a merge itself is made in memory. Those of other plans are let go."""
        from nbmerge.engine.live import live
        from nbmerge.sampling import load

        ref = next(r for r in plan.checkpoints if plan.labels[r] == label)
        merge, key = plan.recipe.merge_named(ref), self.parent_key(plan, label)
        with self._lock:
            _stop_if(cancel)
            self._keep_parents({self.parent_key(plan, of) for of in plan.parents} | {key})
            if key not in self._parents:
                made = merge is not None or ref.lora  # an adapter is put on as a merge of one model
                alone = merge or plan.recipe.of({"merge_method": "passthrough", "models": [ref]})
                self._parents[key] = live(alone) if made else load(str(plan.checkpoints[ref].path))
            return Speaker(self._parents[key])

    def parent_key(self, plan: Plan, label: str) -> str:
        """What a parent is, whatever it is called."""
        ref = next(r for r in plan.checkpoints if plan.labels[r] == label)
        merge = plan.recipe.merge_named(ref)
        return merge.fingerprint if merge else f"{plan.checkpoints[ref].path} {' '.join(ref.lora)}"

    def merged(
        self, plan: Plan, through: str = AUTOMATIC, cancel: threading.Event | None = None,
        prompt_tokens: int = 16, new_tokens: int = 1,
    ) -> Speaker:  # fmt: skip
        """The merge, as the plan has it.

        Parameters
        ----------
        through : "automatic", "live" or "virtual"
        cancel : threading.Event, optional
            Set, it stops the making of weights.
        prompt_tokens, new_tokens : int
            What will be asked, for the choice.

        Raises
        ------
        TooLargeError, VirtualError, MergeStopped
        """
        with self._lock:
            _stop_if(cancel)
            if through == AUTOMATIC:
                through = self._choice(plan, prompt_tokens, new_tokens)
            return self._through_virtual(plan) if through == VIRTUAL else self._through_live(plan, cancel)

    def _choice(self, plan: Plan, prompt_tokens: int, new_tokens: int) -> str:
        from nbmerge.engine.live import choose_backend

        if plan.virtual_obstacle is not None and (self.live is not None or forecast_live(plan).fits):
            return LIVE
        return choose_backend(plan, self.live, prompt_tokens=prompt_tokens, new_tokens=new_tokens).kind

    def _through_live(self, plan: Plan, cancel: threading.Event | None) -> Speaker:
        from nbmerge.engine.live import live

        if self.live is None:
            self.live = live(plan, cancel=cancel)
            return Speaker(self.live, f"live model, all {len(plan.tensors)} tensors made")
        done = self.live.update(plan, cancel=cancel)
        made = f"{len(done.touched)} of {len(plan.tensors)} tensors made anew in {1000 * done.seconds:.0f} ms"
        return Speaker(self.live, f"live model, {made if done.touched else 'up to date'}")

    def _through_virtual(self, plan: Plan) -> Speaker:
        from nbmerge.engine.live import virtual

        if (why_not := plan.virtual_obstacle) is not None:
            raise VirtualError(f"This merge cannot be heard without being made: {why_not}")
        if self.virtual is None or self.virtual.plan.method is not plan.method:
            self.virtual = virtual(plan)
        else:
            self.virtual.update(plan)
        return Speaker(self.virtual, "virtual merge, evaluated from its parents’ files")

    # --- pins ---

    @property
    def pins(self) -> dict[str, Any]:
        """Merges that were pinned, by name."""
        return dict(self.live.pins) if self.live is not None else {}

    def pin(self, plan: Plan, cancel: threading.Event | None = None) -> str:
        """Keep the merge as the plan has it, to be asked beside later ones; returns its name."""
        with self._lock:
            _stop_if(cancel)
            self._through_live(plan, cancel)
            return self.live.pin().name

    def unpin(self, name: str) -> None:
        """Let a pinned merge go."""
        with self._lock:
            self.live.unpin(name)

    # --- the end ---

    def release(self) -> None:
        """Let go of all models and of their workers; they are made again when somebody asks."""
        with self._lock:
            for merge in (self.live, self.virtual):
                if merge is not None:
                    merge.close()
            self.live = self.virtual = None
            self._keep_parents(set())

    def _keep_parents(self, keys: set[str]) -> None:
        from nbmerge.engine.live import LiveMerge

        for key in self._parents.keys() - keys:
            parent = self._parents.pop(key)
            if isinstance(parent, LiveMerge):
                parent.close()

    # --- what it takes ---

    def forecast(self, plan: Plan, parents: bool) -> Forecast:
        """What asking takes of memory, before any of it is taken."""
        loaded = sum(plan.checkpoints[r].nbytes for r in plan.checkpoints if plan.labels[r] in plan.parents)
        missing = {p: self.parent_key(plan, p) for p in plan.parents}
        to_load = loaded if parents and not set(missing.values()) <= set(self._parents) else 0
        return Forecast(forecast_live(plan, self.pins.values()), to_load, self.live is not None)


def _stop_if(cancel: threading.Event | None) -> None:
    """Make nothing for somebody who was stopped: whatever was released meanwhile stays so."""
    if cancel is not None and cancel.is_set():
        raise MergeStopped("Stopped.")


@dataclass(frozen=True)
class Forecast:
    """Memory for a live model and its parents beside it.

    Parameters
    ----------
    live : LiveForecast
    parents : int
        Bytes of parents that are still to be loaded.
    here : bool
        Whether the live model is in memory already.
    """

    live: LiveForecast
    parents: int
    here: bool

    @property
    def needed(self) -> int:
        """Bytes that are still to be taken."""
        return self.parents + (0 if self.here else self.live.needed)

    @property
    def fits(self) -> bool:
        """Whether there is room, as far as anybody knows."""
        free = self.live.available
        return free is None or self.needed <= free * 0.95

    @property
    def alternatives(self) -> tuple[str, ...]:
        """What takes less."""
        own = (f"ask the merge without its parents ({human(self.parents)} less)",) if self.parents else ()
        return (*own, *self.live.alternatives)

    def check(self) -> None:
        """Refuse what does not fit.

        Raises
        ------
        TooLargeError
        """
        if not self.fits:
            raise TooLargeError(f"This {self}. Instead: {'; '.join(self.alternatives)}.")

    def __str__(self) -> str:
        parts = [] if self.here else [f"{human(self.live.model_bytes)} for the merge"]
        parts += [f"{human(self.live.buffer_bytes)} while it is made"] if not self.here else []
        parts += [f"{human(self.parents)} for the parents"] if self.parents else []
        free = "" if self.live.available is None else f"; {human(self.live.available)} are free"
        whose = f" ({', '.join(parts)})" if parts else ""
        return f"needs {human(self.needed)} of memory{whose}{free}"
