"""The Scores panel: numbers that measure the merge, computed again when the sliders rest."""

from __future__ import annotations

import html
import threading
from collections.abc import Callable, Iterable
from typing import Any

import ipywidgets
from ipywidgets import Layout

from nbmerge.engine.planning import Plan
from nbmerge.errors import NbmergeError
from nbmerge.sampling import Perplexity, Phrase
from nbmerge.widgets.controls.bundled import list_bundled
from nbmerge.widgets.controls.elements import button, field, row, set_options, set_tooltip, set_visible, text
from nbmerge.widgets.controls.lifetime import close_tree
from nbmerge.widgets.controls.score_table import score_table
from nbmerge.widgets.panels.panel import Panel
from nbmerge.widgets.state.debounce import DebouncedRunner

TEXT, PHRASE, SKILL = "perplexity of a text", "what follows a prompt", "a skill of the bundled family"
HELP = {
    TEXT: "Perplexity of the merge on a text; lower is better.",
    PHRASE: "Log odds of the wanted continuations over the unwanted ones; higher is better. Separate several by |.",
    SKILL: "Share of 100 held-out words that are answered exactly; higher is better.",
}
OWN = "Your own function: <code>studio.scores.add('name', lambda model: ...)</code>"
LONG = 28
"""Letters of a text that name its score."""


class ScoresPanel(Panel):
    """Scores with their history; `add` takes any function of a model that returns a number."""

    title = "Scores"

    def _build(self) -> list[ipywidgets.Widget]:
        guard = self.errors
        self.history = self.state.scores
        self.runner = DebouncedRunner(guard.show, "score", self.state.activities)
        self.at_close(self.runner.close)
        self.compute = button(
            "Compute",
            guard(lambda _: self.runner.submit(self._prepare())),
            style="primary",
            hint="Compute every score for the merge",
        )
        self.stop = button("Stop", guard(lambda _: self.runner.stop()), hint="Stop after the present score")
        self.automatic = ipywidgets.Checkbox(
            description="Follow the sliders", indent=False, layout=Layout(width="auto")
        )
        self.note = text(kind="quiet")
        self.view, self.compact_view = text(kind="score-box"), text(kind="score-box")
        self.at_close(lambda: close_tree(self.compact_view))  # another panel shows it, or none
        self.which = field(ipywidgets.Dropdown, "Score")
        self.back = button(
            "Restore best recipe",
            guard(lambda _: self._restore_best()),
            hint="Go back to the recipe with the best value of this score",
        )
        self.remove = button("Remove", guard(lambda _: self._remove()), hint="Remove this score and its history")
        self.chosen = row(self.which, self.back, self.remove)
        self.runner.observe(guard(lambda change: self._status()), "busy")
        self.automatic.observe(guard(lambda change: self._follow_sliders()), "value")
        self.watch(self.state, guard(lambda change: self._follow_sliders()), "revision")
        self.watch(self.state, guard(lambda change: self._show_beside_curve()), "revision")
        self.suggested = False
        head = row(self.compute, self.stop, self.automatic, self.note)
        return [head, self.view, self.chosen, *self._form()]

    def _form(self) -> list[ipywidgets.Widget]:
        """What adds a score."""
        guard = self.errors
        kinds = [PHRASE, TEXT, *([SKILL] if list_bundled() else [])]
        self.kind = field(ipywidgets.Dropdown, "Add", options=kinds)
        self.passage = field(ipywidgets.Text, "Text", placeholder="a text that the merge should find likely")
        self.prompt = field(ipywidgets.Text, "Prompt", "200px", placeholder="reverse lion >")
        self.wanted = field(ipywidgets.Text, "wanted", "180px", placeholder="noil")
        self.unwanted = field(ipywidgets.Text, "unwanted", "180px", placeholder="LION | lion")
        self.skill = field(ipywidgets.Dropdown, options=_skills())
        self.passage.add_class("nbm-grow")
        set_tooltip(self.wanted, "Continuations, separated by |")
        self.adder = button("Add", guard(lambda _: self._add()))
        self.help = text(kind="quiet")
        self.kind.observe(guard(lambda change: self._offer()), "value")
        self._offer()
        return [
            row(self.kind, self.passage, self.prompt, self.wanted, self.unwanted, self.skill, self.adder),
            self.help,
        ]

    # --- scores ---

    def add(self, name: str, score: Callable[[Any], float], lower: bool | None = None) -> None:
        """Add a score, or put another in place of one.

        Parameters
        ----------
        name : str
        score : callable
            Takes the merge (`.model`, `.tokenizer`; `nbmerge.sample` accepts it) and returns a number. It is called in a
            worker thread.
        lower : bool, optional
            Whether less is better; default the score's attribute `lower`, else False.
        """
        self.history.add(str(name), score, lower)
        self._show()
        self._follow_sliders()

    def _suggest(self, plan: Plan) -> None:
        """The bundled family comes with two scores of its own, which mean nothing for other models."""
        is_bundled = bool({path for _, path in list_bundled()} & {str(c.path) for c in plan.checkpoints.values()})
        if is_bundled == self.suggested:
            return
        self.suggested = is_bundled
        for name, score in _skills():
            if is_bundled:
                self.history.add(name, score)
            elif self.history.scores.get(name) == score:
                self.history.remove(name)

    def _add(self) -> None:
        if self.kind.value == SKILL:
            self.add(self.skill.label, self.skill.value)
        elif self.kind.value == TEXT:
            passage = self.passage.value
            if not passage.strip():
                raise NbmergeError("Enter a text.")
            self.add(f"perplexity of “{_short(passage)}”", Perplexity(passage))
        else:
            prompt, wanted, unwanted = self.prompt.value, _parts(self.wanted.value), _parts(self.unwanted.value)
            if not prompt.strip() or not wanted:
                raise NbmergeError("Enter a prompt and at least one wanted continuation.")
            against = f" not {_short(' or '.join(p.strip() for p in unwanted))}" if unwanted else ""
            self.add(f"{_short(prompt)}{_short(' or '.join(wanted))}{against}", Phrase(prompt, wanted, unwanted))

    def _remove(self) -> None:
        if self.which.value is not None:
            self.history.remove(self.which.value)
            self._show()

    def _restore_best(self) -> None:
        best = self.history.best(self.which.value) if self.which.value else None
        if best is None or best.recipe is None:
            raise NbmergeError("This score has no values yet. Press Compute first.")
        self.state.set_recipe(best.recipe)

    # --- evaluation ---

    def _prepare(self) -> Callable[[threading.Event], None]:
        plan = self.state.plan
        if plan is None:
            raise NbmergeError("Fix the errors in the recipe first.")
        if not self.history.scores:
            raise NbmergeError("There are no scores yet. Add one below.")

        def work(cancel: threading.Event) -> None:
            pooled = self.state.pool.load_merge(plan, cancel=cancel, prompt_tokens=256)
            self.state.note_scores(self.history.evaluate(pooled.model, plan.recipe, cancel=cancel))
            self.description = pooled.description
            self._show()

        return work

    def _follow_sliders(self) -> None:
        """Compute again where the panel follows the sliders."""
        if self.automatic.value and self.state.plan is not None and self.history.scores:
            self.runner.submit_debounced(self._prepare())

    # --- state to screen ---

    description = ""

    def _refresh(self) -> None:
        if self.state.plan is not None:
            self._suggest(self.state.plan)
        self._status()

    def _status(self) -> None:
        busy = self.runner.busy
        self.compute.disabled = self.state.plan is None or not self.history.scores
        self.stop.disabled = not busy
        self._show()

    def _show(self) -> None:
        plan = self.state.plan
        self._show_beside_curve()
        self.view.value = score_table(self.history, self._shown)
        names = list(self.history.scores)
        set_options(self.which, [(n, n) for n in names])
        set_visible(self.chosen, bool(names))
        self.compute.disabled = plan is None or not names
        if self.runner.busy:
            self.note.value = "Computing …"
        elif self.history.latest is not None and not self.history.find(self._shown):
            self.note.value = "<b>Out of date:</b> computed with an earlier recipe."
        else:
            known = self.description and self.history.latest
            self.note.value = f"Computed with a {html.escape(self.description)}." if known else ""

    @property
    def _shown(self) -> str:
        """Fingerprint of the recipe on screen; empty where it cannot be merged."""
        return self.state.plan.recipe.fingerprint if self.state.plan is not None else ""

    def _show_beside_curve(self) -> None:
        """The same in sight of the curve, whether or not this panel is."""
        is_read = self.history.latest is not None
        if is_read or self.compact_view.value:
            self.compact_view.value = score_table(self.history, self._shown) if is_read else ""
        set_visible(self.compact_view, is_read)

    def _offer(self) -> None:
        """Show the fields of the chosen kind."""
        kind = self.kind.value
        set_visible(self.passage, kind == TEXT)
        set_visible(self.skill, kind == SKILL)
        for widget in (self.prompt, self.wanted, self.unwanted):
            set_visible(widget, kind == PHRASE)
        self.help.value = f"{html.escape(HELP[kind])} {OWN}"


def _skills() -> list[tuple[str, Any]]:
    from nbmerge.demo import Skill
    from nbmerge.demo.texts import SKILLS

    return [(f"skill: {skill}", Skill(skill, n=100)) for skill in SKILLS]


def _parts(written: str) -> tuple[str, ...]:
    """Continuations separated by bars; a space before a word is part of the continuation."""
    return tuple(p for p in (part.rstrip() for part in written.split("|")) if p.strip())


def _short(words: str | Iterable[str]) -> str:
    words = str(words)
    return words if len(words) <= LONG else f"{words[: LONG - 1]}…"
