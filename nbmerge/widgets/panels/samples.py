"""The Samples panel: the same prompts put to the merge, to pinned merges and to the parents, while the sliders move."""

from __future__ import annotations

import html
import threading
import time
from collections.abc import Callable

import ipywidgets
from ipywidgets import Layout

from nbmerge.engine.live.snapshots import Pin
from nbmerge.engine.planning import Plan
from nbmerge.errors import NbmergeError
from nbmerge.widgets.controls.cards import card, colour_of
from nbmerge.widgets.controls.colours import model_colours
from nbmerge.widgets.controls.elements import button, field, hint, row, show, text
from nbmerge.widgets.panels.gradients import choose
from nbmerge.widgets.panels.models import bundled
from nbmerge.widgets.panels.panel import Panel
from nbmerge.widgets.state.debounce import Follow
from nbmerge.widgets.state.model_pool import AUTOMATIC, LIVE, VIRTUAL
from nbmerge.widgets.state.sampling_session import MERGE, Asked, Conversation, Voice

PROMPTS = ("Once upon a time", "The best way to learn is")
"""Where nothing is known about the models."""
THROUGH = [("automatically chosen", AUTOMATIC), ("the live model", LIVE), ("a virtual merge", VIRTUAL)]
BEFORE, NOTHING = "what it said before", "nothing"
PACE = 0.04
"""Seconds between two pictures of a text that is being written; its first token is shown at once."""


class SamplesPanel(Panel):
    """Hear what the merge says, beside its parents and beside earlier merges."""

    title = "Samples"

    def _build(self) -> list[ipywidgets.Widget]:
        guard = self.errors
        self.follow = Follow(guard.show)
        self.at_close(self.follow.close)
        self.conversation = Conversation(self.state.stage, self._told)
        self.prompts = ipywidgets.Textarea(
            layout=Layout(width="auto", height="72px"), placeholder="one prompt per line"
        )
        self.prompts.add_class("nbm-code")
        self.length = field(ipywidgets.BoundedIntText, "Tokens", "120px", value=24, min=1, max=4096)
        self.temperature = field(
            ipywidgets.BoundedFloatText, "Temperature", "160px", value=0.0, min=0.0, max=5.0, step=0.1,
        )  # fmt: skip
        hint(self.temperature, "0 always takes the likeliest token")
        self.seed = field(ipywidgets.BoundedIntText, "Seed", "120px", value=0, min=0, max=2**31 - 1)
        self.through = field(ipywidgets.Dropdown, "The merge through", options=THROUGH)
        hint(self.through, "A live model has weights of its own; a virtual merge is evaluated from its parents' files")
        self.parents = ipywidgets.Checkbox(value=True, description="ask the parents too", indent=False)
        self.parents.layout.width = "auto"
        self.automatic = ipywidgets.Checkbox(
            description="Follow the sliders", indent=False, layout=Layout(width="auto")
        )
        self.generate = button(
            "Generate", guard(lambda _: self.follow.now(self._work())), style="primary",
            hint="Ask the merge, then pinned merges and parents; nothing is saved",
        )  # fmt: skip
        self.stop = button("Stop", guard(lambda _: self.follow.stop()), hint="Ends within one tensor or token")
        self.pin = button("Pin", guard(lambda _: self._pin()), hint="Keep this merge, to hear it beside later ones")
        self.compare = field(ipywidgets.Dropdown, "Mark what differs from", options=[BEFORE, NOTHING])
        self.pinned = row()
        self._pin_buttons: dict[tuple[str, str], list[ipywidgets.Widget]] = {}
        self.memory, self.note = text(kind="quiet"), text(kind="quiet")
        self.cards = ipywidgets.Box()
        self.cards.add_class("nbm-cards")
        self._drawn: dict[str, ipywidgets.HTML] = {}
        self._told_at: dict[str, float] = {}
        self.follow.observe(guard(lambda change: self._status()), "busy")
        self.automatic.observe(guard(lambda change: self._hear()), "value")
        self.compare.observe(guard(lambda change: self._draw_merge()), "value")
        self.parents.observe(guard(lambda change: self._forecast()), "value")
        return [
            text("Prompts, one per line", "quiet"), self.prompts, row(self.length, self.temperature, self.seed, self.through),
            row(self.generate, self.stop, self.pin, self.automatic, self.parents), self.memory, self.note,
            row(self.compare, self.pinned), self.cards,
        ]  # fmt: skip

    # --- state to screen ---

    def _refresh(self) -> None:
        plan = self.state.plan
        if not self.prompts.value and plan is not None:
            self.prompts.value = "\n".join(suggested(plan))
        self._status()
        self._forecast()
        self._draw_merge()
        self._hear()

    def _status(self) -> None:
        busy, ready = self.follow.busy, self.state.plan is not None
        self.generate.disabled = self.pin.disabled = not ready
        self.stop.disabled = not busy
        if not busy:
            self._draw_merge()
        stale = self._stale
        self.note.value = "<b>Out of date:</b> the merge spoke with an earlier recipe. Generate again." if stale else ""
        show(self.note, stale)

    @property
    def _stale(self) -> bool:
        """Whether the merge's text is of another recipe than the present one, and nobody is about to mend that."""
        voice, plan = self.conversation.voices.get(MERGE), self.state.plan
        spoken = voice is not None and bool(voice.of)
        return spoken and not self.follow.busy and (plan is None or plan.recipe.fingerprint != voice.of)

    def _forecast(self) -> None:
        """Say what asking takes of memory before it is taken, or why it cannot be."""
        plan = self.state.plan
        if plan is None:
            self.memory.value = ""
            return
        forecast = self.state.stage.forecast(plan, self.parents.value)
        if forecast.fits:
            self.memory.value = "" if not forecast.needed else f"Asking {html.escape(str(forecast))}."
            return
        ways = "".join(f"<li>{html.escape(way)}</li>" for way in forecast.alternatives)
        words = f"Asking {html.escape(str(forecast))}. It does not fit. Instead:<ul>{ways}</ul>"
        self.memory.value = f"<div class='nbm-error' role='alert'>{words}</div>"

    # --- asking ---

    def _hear(self) -> None:
        """Ask again where the panel follows the sliders."""
        if self.automatic.value and self.sight and self.state.plan is not None:
            self.follow.rested(self._work())

    def _asked(self) -> Asked:
        prompts = tuple(p for p in self.prompts.value.split("\n") if p.strip())
        if not prompts:
            raise NbmergeError("Type a prompt: what the models shall continue.")
        settings = {"max_new_tokens": self.length.value, "temperature": self.temperature.value, "seed": self.seed.value}
        return Asked(prompts, tuple(settings.items()), self.through.value, self.parents.value)

    def _work(self) -> Callable[[threading.Event], None]:
        plan, asked = self.state.plan, self._asked()
        if plan is None:
            raise NbmergeError("The recipe has errors; mend them first.")
        if self.through.value != VIRTUAL:
            forecast = self.state.stage.forecast(plan, self.parents.value)
            if self.through.value == LIVE or forecast.parents:
                forecast.check()

        def work(cancel: threading.Event) -> None:
            self._deal(plan, asked)
            self.conversation.ask(plan, asked, cancel)
            self.errors.clear()

        return work

    def _pin(self) -> None:
        plan, ask = self.state.plan, self._work()

        def work(cancel: threading.Event) -> None:
            self.state.stage.pin(plan, cancel)
            self._show_pins()
            ask(cancel)

        self.follow.now(work)

    def _unpin(self, name: str) -> None:
        self.state.stage.unpin(name)
        self.conversation.voices.pop(name, None)
        self._show_pins()
        if self.state.plan is not None and self.conversation.voices:
            self._deal(self.state.plan, self._asked())

    # --- cards ---

    def _deal(self, plan: Plan, asked: Asked) -> None:
        """A card for everybody who will speak; those that are there stay as they are."""
        self._colours = model_colours(plan)
        voices = self.conversation.cast(plan, asked)
        drawn = {}
        for voice in voices:
            drawn[voice.name] = self._drawn.get(voice.name) or _blank(voice)
        self._drawn = drawn
        self._told_at = {name: at for name, at in self._told_at.items() if name in drawn}
        self.fill(self.cards, list(drawn.values()))
        others = [v.name for v in voices if v.kind == "pin"] + [v.name for v in voices if v.kind == "parent"]
        choose(self.compare, [(BEFORE, BEFORE), *((_called(n, self), n) for n in others), (NOTHING, NOTHING)])

    def _told(self, voice: Voice) -> None:
        """In the asking thread: show what was said, at a pace that can be read."""
        speaking = any(t.status == "speaking" and len(t.pieces) > 1 for t in voice.texts)
        now = time.monotonic()
        if speaking and now - self._told_at.get(voice.name, 0.0) < PACE:
            return
        self._told_at[voice.name] = now
        self._draw(voice)
        if voice.name == self.compare.value and not speaking:
            self._draw_merge()

    def _draw_merge(self) -> None:
        if MERGE in self.conversation.voices:
            self._draw(self.conversation.voices[MERGE])

    def _draw(self, voice: Voice) -> None:
        widget = self._drawn.get(voice.name)
        if widget is None:
            return
        merge, stale, reference = voice.name == MERGE, False, ()
        if merge:
            stale, other = self._stale, self.conversation.voices.get(self.compare.value)
            reference = voice.before if self.compare.value == BEFORE else other.texts if other else ()
            (widget.add_class if stale else widget.remove_class)("nbm-stale")
        widget.value = card(voice, colour_of(voice, self._colours), reference, stale)

    def _show_pins(self) -> None:
        """Two buttons for each pin; those that are there stay."""
        pins = {(pin.name, pin.recipe.fingerprint): pin for pin in self.state.stage.pins.values()}
        self._pin_buttons = {key: self._pin_buttons.get(key) or self._buttons_of(pin) for key, pin in pins.items()}
        self.fill(self.pinned, [b for buttons in self._pin_buttons.values() for b in buttons])

    def _buttons_of(self, pin: Pin) -> list[ipywidgets.Widget]:
        name, recipe = pin.name, pin.recipe
        back = button(
            f"Back to {name}", self.errors(lambda _: self.state.set_recipe(recipe)),
            hint=f"Make the recipe that was pinned as {name} the recipe again",
        )  # fmt: skip
        away = button("", self.errors(lambda _: self._unpin(name)), hint=f"Let {name} go", icon="times")
        return [back, away]


def _blank(voice: Voice) -> ipywidgets.HTML:
    widget = ipywidgets.HTML()
    widget.add_class("nbm-card")
    widget.add_class({"merge": "nbm-merged", "pin": "nbm-pinned"}.get(voice.kind, "nbm-parent"))
    return widget


def _called(name: str, panel: SamplesPanel) -> str:
    return f"pinned {name}" if name in panel.state.stage.pins else name


def suggested(plan: Plan) -> tuple[str, ...]:
    """Prompts that suit the models."""
    family = {path for _, path in bundled()}
    if family & {str(c.path) for c in plan.checkpoints.values()}:
        from nbmerge.demo import PROMPTS as own

        return tuple(own)
    return PROMPTS
