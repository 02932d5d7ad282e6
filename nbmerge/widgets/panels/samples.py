"""The Samples panel: what the merge, pinned merges and the parents generate for the same prompts."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import ipywidgets

from nbmerge.engine.planning import Plan
from nbmerge.errors import ArgumentError, NbmergeError
from nbmerge.recipe import Recipe
from nbmerge.widgets.controls.bundled import list_bundled
from nbmerge.widgets.controls.colours import model_colours
from nbmerge.widgets.controls.view import View
from nbmerge.widgets.panels.panel import Panel
from nbmerge.widgets.panels.sample_table import ACCENT, Column, draw_table
from nbmerge.widgets.state.debounce import DebouncedRunner
from nbmerge.widgets.state.history import shares_models
from nbmerge.widgets.state.model_pool import AUTOMATIC, LIVE, VIRTUAL
from nbmerge.widgets.state.sampling_session import (
    MERGE,
    MERGE_NAME,
    PARENT,
    PIN,
    Continuation,
    ModelOutput,
    SampleRequest,
    SamplingSession,
)  # fmt: skip

PROMPTS = ("Once upon a time", "The best way to learn is")
"""Where nothing is known about the models."""
BACKENDS = {AUTOMATIC: "automatic", LIVE: "live merge", VIRTUAL: "virtual merge"}
PREVIOUS, NOTHING = "the previous output", "nothing"
LIMITS = {"length": (1, 4096), "temperature": (0.0, 5.0), "seed": (0, 2**31 - 1)}
REDRAW_EVERY, PER_TOKEN = 0.04, 5e-5
"""Seconds between two drawings of texts that are being generated, and more for each token on screen: all are sent."""
STALE = "Out of date: sampled with an earlier recipe. Generate again."


class SamplesView(View):
    """The table of samples."""

    script = "says"


class SamplesPanel(Panel):
    """Sample the merge beside its parents and beside earlier merges.

    Attributes
    ----------
    length, temperature, seed : int, float, int
        New tokens of each text; 0 always takes the likeliest token; seed of the draws.
    backend : str
        How the merge is run: "automatic", "live" or "virtual".
    compare : str
        What changed tokens are marked against: "the previous output", the name of a pin or a parent, or "nothing".
    parents, follow : bool
        Whether parents are sampled, and whether the merge is sampled again whenever the recipe changes.
    """

    title = "Samples"

    def _build(self) -> list[ipywidgets.Widget]:
        guard = self.errors
        self.length, self.temperature, self.seed = 24, 0.0, 0
        self.backend, self.compare, self.parents, self.follow = AUTOMATIC, PREVIOUS, True, False
        self.runner = DebouncedRunner(guard.show, "sample", self.state.activities)
        self.at_close(self.runner.close)
        self.session = SamplingSession(self.state.pool, self._show_output)
        self._suggested = ""
        self._last: tuple[Recipe, Mapping[str, str]] | None = None  # that was valid, with its parents
        self._drawn_at = 0.0
        self._memory: dict[str, Any] = {"text": "", "ways": []}
        self.view = SamplesView(
            {
                "generate": self.generate, "stop": self.stop, "pin": self.pin, "unpin": self.unpin,
                "restore": self.restore, "set_prompts": self.set_prompts, "set_number": self.set_number,
                "set_backend": self.set_backend, "set_compare": self.set_compare, "set_parents": self.set_parents,
                "set_follow": self.set_follow,
            },
            guard,
        )  # fmt: skip
        self.watch(self.state, guard(lambda change: self._update()), "prompts")
        self.runner.observe(guard(lambda change: self._update()), "busy")
        return [self.view]

    # --- what a user does ---

    def generate(self) -> None:
        """Sample the merge, then pinned merges and parents; nothing is saved."""
        self.runner.submit(self._prepare())

    def stop(self) -> None:
        """Stop within one tensor or token."""
        self.runner.stop()

    def pin(self) -> None:
        """Keep this merge in memory to compare it with later ones, and sample it."""
        plan, sample = self.state.plan, self._prepare()
        assert plan is not None  # else there is nothing to prepare

        def work(cancel: threading.Event) -> None:
            kept = {name for step in self.state.history for name in step.pins}
            self.state.notes.add_pin(self.state.pool.pin(plan, cancel, kept), plan.recipe)
            sample(cancel)

        self.runner.submit(work)

    def unpin(self, name: str) -> None:
        """Let go of a pinned merge."""
        self.state.pool.unpin(name)
        self.state.notes.remove_pin(name)
        self.session.outputs.pop(name, None)
        self.compare = PREVIOUS if self.compare == name else self.compare
        self._update()

    def restore(self, name: str) -> None:
        """Go back to the recipe of a pinned merge."""
        pin = self.state.pool.pins.get(name)
        if pin is None:
            raise NbmergeError(f"There is no pin {name} any more.")
        self.state.set_recipe(pin.recipe)

    def set_prompts(self, prompts: str) -> None:
        """Choose the prompts, one per line."""
        self.state.prompts = prompts
        self._update()

    def set_number(self, name: str, value: float) -> None:
        """Set `length`, `temperature` or `seed`; a value beyond its limits becomes the nearest one."""
        if name not in LIMITS:
            raise ArgumentError(f"there is no setting {name!r}.")
        low, high = LIMITS[name]
        bounded = min(max(value, low), high)
        setattr(self, name, bounded if name == "temperature" else round(bounded))
        self._update()

    def set_backend(self, backend: str) -> None:
        """Choose how the merge is run."""
        if backend not in BACKENDS:
            raise ArgumentError(f"backend must be one of {', '.join(BACKENDS)}, not {backend!r}.")
        self.backend = backend
        self._update()

    def set_compare(self, compare: str) -> None:
        """Choose what changed tokens are marked against."""
        self.compare = compare
        self._update()

    def set_parents(self, parents: bool) -> None:
        """Choose whether the parents are sampled, too."""
        self.parents = parents
        self._update()

    def set_follow(self, follow: bool) -> None:
        """Choose whether the merge is sampled again whenever the recipe changes."""
        self.follow = follow
        self._update()
        self._follow_recipe()

    # --- sampling ---

    def _follow_recipe(self) -> None:
        if self.follow and self.in_view and self.state.plan is not None:
            self.runner.submit_debounced(self._prepare())

    @property
    def _prompts(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(p for p in self.state.prompts.split("\n") if p.strip()))

    def _request(self) -> SampleRequest:
        if not self._prompts:
            raise NbmergeError("Type at least one prompt.")
        settings = {"max_new_tokens": self.length, "temperature": self.temperature, "seed": self.seed}
        return SampleRequest(self._prompts, tuple(settings.items()), self.backend, self.parents)

    def _prepare(self) -> Callable[[threading.Event], None]:
        plan, request = self.state.plan, self._request()
        if plan is None:
            raise NbmergeError("Fix the errors in the recipe first.")
        if request.backend != VIRTUAL:
            forecast = self.state.pool.forecast(plan, request.parents)
            if request.backend == LIVE or forecast.parents:
                forecast.check()

        def work(cancel: threading.Event) -> None:
            self.session.run(plan, request, cancel)
            self.errors.clear()

        return work

    def _show_output(self, output: ModelOutput) -> None:
        """In the sampling thread: show what was generated, at a pace that can be read and sent."""
        growing = [t for t in output.continuations if t.status == "generating" and len(t.pieces) > 1]
        tokens = sum(len(t.pieces) for o in list(self.session.outputs.values()) for t in o.continuations)
        now = time.monotonic()
        if not growing or now - self._drawn_at >= REDRAW_EVERY + PER_TOKEN * tokens:
            self._draw()

    # --- state to screen ---

    def _refresh(self) -> None:
        plan = self.state.plan
        if plan is not None and self.state.prompts in ("", self._suggested):
            self._suggested = self.state.prompts = "\n".join(suggest_prompts(plan))
        self._update()
        self._follow_recipe()

    def _update(self) -> None:
        """Draw with a new forecast of memory, which is not made again for every token."""
        self._memory = self._forecast()
        self._draw()

    def _draw(self) -> None:
        self._drawn_at = time.monotonic()
        columns = self._list_columns()
        comparisons = [c.output.name for c in columns if c.output.kind != MERGE]
        self.view.show({
            **draw_table(self._prompts, columns),
            "busy": self.runner.busy, "ready": self.state.plan is not None,
            "note": STALE if any(c.stale for c in columns) else "", "memory": self._memory,
            "settings": {
                "length": self.length, "temperature": self.temperature, "seed": self.seed, "backend": self.backend,
                "backends": [{"value": v, "label": label} for v, label in BACKENDS.items()],
                "compare": self.compare if self.compare in comparisons else NOTHING if self.compare == NOTHING else PREVIOUS,
                "comparisons": [PREVIOUS, *comparisons, NOTHING], "parents": self.parents, "follow": self.follow,
            },
        })  # fmt: skip

    def _list_columns(self) -> list[Column]:
        outputs, colours = self.session.outputs, self._find_parents()
        kinds = {MERGE_NAME: MERGE, **dict.fromkeys(self.state.pool.pins, PIN)}
        kinds |= dict.fromkeys(colours, PARENT) if self.parents else {}
        shown = [outputs.get(name, ModelOutput(name, kind)) for name, kind in kinds.items()]
        return [
            Column(output, colours.get(output.name, ACCENT))
            if output.kind != MERGE
            else Column(output, ACCENT, self._find_reference(output), self._is_stale(output))
            for output in shown
        ]

    def _find_parents(self) -> Mapping[str, str]:
        """The parents with their colours; while the recipe has errors, those of the same models before that."""
        plan, recipe = self.state.plan, self.state.recipe
        if plan is not None:
            colours = model_colours(plan)
            self._last = plan.recipe, {parent: colours.get(parent, ACCENT) for parent in plan.parents}
        if self._last is None or recipe is None or not shares_models(self._last[0], recipe):
            return {}
        return self._last[1]

    def _is_stale(self, output: ModelOutput) -> bool:
        """Whether the merge's text is of another recipe than the present one, and no new text is on its way."""
        plan = self.state.plan
        if not output.fingerprint or self.runner.busy:
            return False
        return plan is None or plan.recipe.fingerprint != output.fingerprint

    def _find_reference(self, output: ModelOutput) -> Sequence[Continuation]:
        """What the merge's text is compared with."""
        if self.compare == NOTHING:
            return ()
        other = self.session.outputs.get(self.compare)
        return output.previous if other is None else other.continuations

    def _forecast(self) -> dict[str, Any]:
        """How much memory sampling needs before it is taken, or why that does not fit and what to do instead."""
        plan = self.state.plan
        if plan is None and self._find_parents():
            return self._memory  # of the recipe before its errors
        forecast = self.state.pool.forecast(plan, self.parents) if plan is not None else None
        if forecast is None or (forecast.fits and not forecast.needed):
            return {"text": "", "ways": []}
        if forecast.fits:
            return {"text": f"Sampling {forecast}.", "ways": []}
        return {"text": f"Sampling {forecast}. It does not fit. Instead:", "ways": list(forecast.alternatives)}


def suggest_prompts(plan: Plan) -> tuple[str, ...]:
    """Prompts that suit the models."""
    family = {path for _, path in list_bundled()}
    if family & {str(c.path) for c in plan.checkpoints.values()}:
        from nbmerge.demo import PROMPTS as bundled_prompts

        return tuple(bundled_prompts)
    return PROMPTS
