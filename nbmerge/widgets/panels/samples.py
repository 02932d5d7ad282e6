"""The Samples panel: what the merge, pinned merges and the parents generate for the same prompts."""

from __future__ import annotations

import html
import threading
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import ipywidgets
from ipywidgets import Layout

from nbmerge.engine.planning import Plan
from nbmerge.errors import NbmergeError
from nbmerge.widgets.controls.bundled import list_bundled
from nbmerge.widgets.controls.cards import card_colour, render_card
from nbmerge.widgets.controls.colours import model_colours
from nbmerge.widgets.controls.elements import button, field, row, set_options, set_tooltip, set_visible, text
from nbmerge.widgets.panels.panel import Panel
from nbmerge.widgets.state.debounce import DebouncedRunner
from nbmerge.widgets.state.model_pool import AUTOMATIC, LIVE, VIRTUAL
from nbmerge.widgets.state.sampling_session import (
    MERGE_NAME,
    PARENT,
    PIN,
    Continuation,
    ModelOutput,
    SampleRequest,
    SamplingSession,
)  # fmt: skip

if TYPE_CHECKING:
    from nbmerge.engine.live import Pin

PROMPTS = ("Once upon a time", "The best way to learn is")
"""Where nothing is known about the models."""
BACKENDS = [("automatic", AUTOMATIC), ("live merge", LIVE), ("virtual merge", VIRTUAL)]
BACKEND_HINT = "A live merge has its own weights in memory; a virtual merge is evaluated from its parents' files"
PREVIOUS, NOTHING = "the previous output", "nothing"
REDRAW_EVERY = 0.04
"""Seconds between two drawings of a text that is being generated; its first token is shown at once."""


class SamplesPanel(Panel):
    """Sample the merge beside its parents and beside earlier merges."""

    title = "Samples"

    def _build(self) -> list[ipywidgets.Widget]:
        guard = self.errors
        self.runner = DebouncedRunner(guard.show, "sample", self.state.activities)
        self.at_close(self.runner.close)
        self.session = SamplingSession(self.state.pool, self._show_output)
        self.prompts = ipywidgets.Textarea(
            layout=Layout(width="auto", height="72px"), placeholder="one prompt per line"
        )
        self.prompts.add_class("nbm-code")
        self._suggested = ""
        self.prompts.value = self.state.prompts
        self.prompts.observe(guard(lambda change: self.state.set_trait("prompts", change["new"])), "value")
        self.watch(self.state, guard(lambda change: self.prompts.set_trait("value", change["new"])), "prompts")
        self.memory, self.note = text(kind="quiet"), text(kind="quiet")
        self.compare = field(ipywidgets.Dropdown, "Mark changes from", options=[PREVIOUS, NOTHING])
        self.pinned = row()
        self._pin_buttons: dict[tuple[str, str], list[ipywidgets.Widget]] = {}
        self.cards = ipywidgets.Box()
        self.cards.add_class("nbm-cards")
        self._cards: dict[str, ipywidgets.HTML] = {}
        self._colours: dict[str, str] = {}
        self._drawn_at: dict[str, float] = {}
        settings, buttons = self._build_settings(), self._build_buttons()
        self.runner.observe(guard(lambda change: self._show_status()), "busy")
        self.automatic.observe(guard(lambda change: self._follow_sliders()), "value")
        self.compare.observe(guard(lambda change: self._draw_merge()), "value")
        self.parents.observe(guard(lambda change: self._show_forecast()), "value")
        return [
            text("Prompts, one per line", "quiet"), self.prompts, settings, buttons, self.memory, self.note,
            row(self.compare, self.pinned), self.cards,
        ]  # fmt: skip

    def _build_settings(self) -> ipywidgets.Widget:
        self.length = field(ipywidgets.BoundedIntText, "Tokens", "120px", value=24, min=1, max=4096)
        self.temperature = field(
            ipywidgets.BoundedFloatText, "Temperature", "160px", value=0.0, min=0.0, max=5.0, step=0.1,
        )  # fmt: skip
        set_tooltip(self.temperature, "0 always takes the likeliest token")
        self.seed = field(ipywidgets.BoundedIntText, "Seed", "120px", value=0, min=0, max=2**31 - 1)
        self.backend = field(ipywidgets.Dropdown, "Run the merge as", options=BACKENDS)
        set_tooltip(self.backend, BACKEND_HINT)
        return row(self.length, self.temperature, self.seed, self.backend)

    def _build_buttons(self) -> ipywidgets.Widget:
        guard = self.errors
        self.generate = button(
            "Generate", guard(lambda _: self.runner.submit(self._prepare())), style="primary",
            hint="Sample the merge, then pinned merges and parents; nothing is saved",
        )  # fmt: skip
        self.stop = button("Stop", guard(lambda _: self.runner.stop()), hint="Stop within one tensor or token")
        self.pin = button(
            "Pin", guard(lambda _: self._pin()), hint="Keep this merge in memory to compare it with later ones"
        )
        self.automatic = ipywidgets.Checkbox(
            description="Follow the sliders", indent=False, layout=Layout(width="auto")
        )
        self.parents = ipywidgets.Checkbox(
            value=True, description="Include the parents", indent=False, layout=Layout(width="auto")
        )
        return row(self.generate, self.stop, self.pin, self.automatic, self.parents)

    # --- state to screen ---

    def _refresh(self) -> None:
        plan = self.state.plan
        if plan is not None and self.state.prompts in ("", self._suggested):
            self._suggested = self.state.prompts = "\n".join(suggest_prompts(plan))
        self._show_pins()
        self._show_status()
        self._show_forecast()
        self._draw_merge()
        self._follow_sliders()

    def _show_status(self) -> None:
        busy, ready = self.runner.busy, self.state.plan is not None
        self.generate.disabled = self.pin.disabled = not ready
        self.stop.disabled = not busy
        if not busy:
            self._draw_merge()
        stale = self._stale
        self.note.value = (
            "<b>Out of date:</b> the merge was sampled with an earlier recipe. Generate again." if stale else ""
        )
        set_visible(self.note, stale)

    @property
    def _stale(self) -> bool:
        """Whether the merge's text is of another recipe than the present one, and no new text is on its way."""
        output, plan = self.session.outputs.get(MERGE_NAME), self.state.plan
        if output is None or not output.fingerprint or self.runner.busy:
            return False
        return plan is None or plan.recipe.fingerprint != output.fingerprint

    def _show_forecast(self) -> None:
        """Show how much memory sampling needs before it is taken, or why that does not fit."""
        plan = self.state.plan
        if plan is None:
            self.memory.value = ""
            return
        forecast = self.state.pool.forecast(plan, self.parents.value)
        if forecast.fits:
            self.memory.value = "" if not forecast.needed else f"Sampling {html.escape(str(forecast))}."
            return
        ways = "".join(f"<li>{html.escape(way)}</li>" for way in forecast.alternatives)
        message = f"Sampling {html.escape(str(forecast))}. It does not fit. Instead:<ul>{ways}</ul>"
        self.memory.value = f"<div class='nbm-error' role='alert'>{message}</div>"

    # --- sampling ---

    def _follow_sliders(self) -> None:
        """Sample again where the panel follows the sliders."""
        if self.automatic.value and self.in_view and self.state.plan is not None:
            self.runner.submit_debounced(self._prepare())

    def _request(self) -> SampleRequest:
        prompts = tuple(p for p in self.prompts.value.split("\n") if p.strip())
        if not prompts:
            raise NbmergeError("Type at least one prompt.")
        settings = {"max_new_tokens": self.length.value, "temperature": self.temperature.value, "seed": self.seed.value}
        return SampleRequest(prompts, tuple(settings.items()), self.backend.value, self.parents.value)

    def _prepare(self) -> Callable[[threading.Event], None]:
        plan, request = self.state.plan, self._request()
        if plan is None:
            raise NbmergeError("Fix the errors in the recipe first.")
        if request.backend != VIRTUAL:
            forecast = self.state.pool.forecast(plan, request.parents)
            if request.backend == LIVE or forecast.parents:
                forecast.check()

        def work(cancel: threading.Event) -> None:
            self._arrange_cards(plan, request)
            self.session.run(plan, request, cancel)
            self.errors.clear()

        return work

    def _pin(self) -> None:
        plan, sample = self.state.plan, self._prepare()
        assert plan is not None  # else there is nothing to prepare

        def work(cancel: threading.Event) -> None:
            self.state.note_pin(self.state.pool.pin(plan, cancel), plan.recipe)
            self._show_pins()
            sample(cancel)

        self.runner.submit(work)

    def _unpin(self, name: str) -> None:
        self.state.pool.unpin(name)
        self.state.forget_pin(name)
        self.session.outputs.pop(name, None)
        self._show_pins()
        if self.state.plan is not None and self.session.outputs:
            self._arrange_cards(self.state.plan, self._request())

    # --- cards ---

    def _arrange_cards(self, plan: Plan, request: SampleRequest) -> None:
        """A card for every model that will be sampled; those that are there stay as they are."""
        self._colours = model_colours(plan)
        outputs = self.session.list_outputs(plan, request)
        self._cards = {output.name: self._cards.get(output.name) or _make_card(output) for output in outputs}
        self._drawn_at = {name: at for name, at in self._drawn_at.items() if name in self._cards}
        self.fill(self.cards, list(self._cards.values()))
        pins = [(f"pinned {output.name}", output.name) for output in outputs if output.kind == PIN]
        parents = [(output.name, output.name) for output in outputs if output.kind == PARENT]
        set_options(self.compare, [(PREVIOUS, PREVIOUS), *pins, *parents, (NOTHING, NOTHING)])

    def _show_output(self, output: ModelOutput) -> None:
        """In the sampling thread: show what was generated, at a pace that can be read."""
        is_growing = any(t.status == "generating" and len(t.pieces) > 1 for t in output.continuations)
        now = time.monotonic()
        if is_growing and now - self._drawn_at.get(output.name, 0.0) < REDRAW_EVERY:
            return
        self._drawn_at[output.name] = now
        self._draw(output)
        if output.name == self.compare.value and not is_growing:
            self._draw_merge()

    def _draw_merge(self) -> None:
        if MERGE_NAME in self.session.outputs:
            self._draw(self.session.outputs[MERGE_NAME])

    def _draw(self, output: ModelOutput) -> None:
        widget = self._cards.get(output.name)
        if widget is None:
            return
        stale, reference = False, self._reference_of(output)
        if output.name == MERGE_NAME:
            stale = self._stale
            (widget.add_class if stale else widget.remove_class)("nbm-stale")
        widget.value = render_card(output, card_colour(output, self._colours), reference, stale)

    def _reference_of(self, output: ModelOutput) -> Sequence[Continuation]:
        """What the merge's text is compared with; other models are compared with nothing."""
        if output.name != MERGE_NAME:
            return ()
        if self.compare.value == PREVIOUS:
            return output.previous
        other = self.session.outputs.get(self.compare.value)
        return other.continuations if other is not None else ()

    def _show_pins(self) -> None:
        """Two buttons for each pin; those that are there stay."""
        pins = {(pin.name, pin.recipe.fingerprint): pin for pin in self.state.pool.pins.values()}
        self._pin_buttons = {
            key: self._pin_buttons.get(key) or self._make_pin_buttons(pin) for key, pin in pins.items()
        }
        self.fill(self.pinned, [b for buttons in self._pin_buttons.values() for b in buttons])

    def _make_pin_buttons(self, pin: Pin) -> list[ipywidgets.Widget]:
        name, recipe = pin.name, pin.recipe
        restore = button(
            f"Restore recipe of {name}", self.errors(lambda _: self.state.set_recipe(recipe)),
            hint=f"Go back to the recipe that was pinned as {name}",
        )  # fmt: skip
        unpin = button("", self.errors(lambda _: self._unpin(name)), hint=f"Unpin {name}", icon="times")
        return [restore, unpin]


def _make_card(output: ModelOutput) -> ipywidgets.HTML:
    widget = ipywidgets.HTML()
    widget.add_class("nbm-card")
    widget.add_class({"merge": "nbm-merged", "pin": "nbm-pinned"}.get(output.kind, "nbm-parent"))
    return widget


def suggest_prompts(plan: Plan) -> tuple[str, ...]:
    """Prompts that suit the models."""
    family = {path for _, path in list_bundled()}
    if family & {str(c.path) for c in plan.checkpoints.values()}:
        from nbmerge.demo import PROMPTS as bundled_prompts

        return tuple(bundled_prompts)
    return PROMPTS
