"""The Scores panel: numbers that measure the merge, computed again when the sliders rest."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import Any

import ipywidgets

from nbmerge.engine.planning import Plan
from nbmerge.errors import ArgumentError, NbmergeError
from nbmerge.sampling import Perplexity, Phrase
from nbmerge.widgets.controls.bundled import list_bundled
from nbmerge.widgets.controls.view import View
from nbmerge.widgets.panels.panel import Panel
from nbmerge.widgets.panels.score_rows import draw_rows
from nbmerge.widgets.state.debounce import DebouncedRunner

LONG = 28
"""Letters of a text that name its score."""
STALE = "Out of date: computed with an earlier recipe."


class ScoresView(View):
    """The drawing of the scores."""

    script = "scoreboard"


class ScoresPanel(Panel):
    """Scores with their history; `add` takes any function of a model that returns a number.

    Attributes
    ----------
    history : ScoreHistory
    follow : bool
        Whether scores are computed again whenever the recipe changes.
    """

    title = "Scores"

    def _build(self) -> list[ipywidgets.Widget]:
        guard = self.errors
        self.history = self.state.notes.scores
        self.follow = False
        self.suggested = False
        self.description = ""
        self.runner = DebouncedRunner(guard.show, "score", self.state.activities)
        self.at_close(self.runner.close)
        self.view = ScoresView(
            {
                "compute": self.compute, "stop": self.stop, "set_follow": self.set_follow, "remove": self.remove,
                "restore_best": self.restore_best, "go": self.go, "add_text": self.add_text,
                "add_phrase": self.add_phrase, "add_skill": self.add_skill,
            },
            guard,
        )  # fmt: skip
        self.runner.observe(guard(lambda change: self._draw()), "busy")
        self.watch(self.state.notes, guard(lambda change: self._draw()), "revision")
        return [self.view]

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
        self.state.notes.set_score(str(name), score, lower)
        self._follow_recipe()

    def remove(self, name: str) -> None:
        """Remove a score and its history."""
        self.state.notes.set_score(name, None)

    def add_text(self, text: str) -> None:
        """Add the perplexity of a text."""
        if not text.strip():
            raise NbmergeError("Enter a text.")
        self.add(f"perplexity of “{_short(text)}”", Perplexity(text))

    def add_phrase(self, prompt: str, wanted: str, unwanted: str = "") -> None:
        """Add the log odds of wanted continuations of a prompt over unwanted ones, each separated by bars."""
        pro, con = _parts(wanted), _parts(unwanted)
        if not prompt.strip() or not pro:
            raise NbmergeError("Enter a prompt and at least one wanted continuation.")
        against = f" not {_short(' or '.join(p.strip() for p in con))}" if con else ""
        self.add(f"{_short(prompt)}{_short(' or '.join(pro))}{against}", Phrase(prompt, pro, con))

    def add_skill(self, name: str) -> None:
        """Add a score of the bundled family."""
        skill = dict(_list_skills()).get(name)
        if skill is None:
            raise ArgumentError(f"there is no score {name!r}.")
        self.add(name, skill)

    def _suggest(self, plan: Plan) -> None:
        """The bundled family comes with two scores of its own, which mean nothing for other models."""
        is_bundled = bool({path for _, path in list_bundled()} & {str(c.path) for c in plan.checkpoints.values()})
        if is_bundled == self.suggested:
            return
        self.suggested = is_bundled
        for name, score in _list_skills():
            if is_bundled:
                self.state.notes.set_score(name, score)
            elif self.history.scores.get(name) == score:
                self.state.notes.set_score(name, None)

    # --- what else a user does ---

    def compute(self) -> None:
        """Compute every score for the merge."""
        self.runner.submit(self._prepare())

    def stop(self) -> None:
        """Stop after the present score."""
        self.runner.stop()

    def set_follow(self, follow: bool) -> None:
        """Choose whether scores are computed again whenever the recipe changes."""
        self.follow = follow
        self._draw()
        self._follow_recipe()

    def go(self, step: int) -> None:
        """Return to the step of the history that a value was computed for."""
        self.state.go(step)

    def restore_best(self, name: str) -> None:
        """Return to the recipe with the best value of a score."""
        best = self.history.best(name) if name in self.history.scores else None
        if best is None or best.recipe is None:
            raise NbmergeError("This score has no values yet. Press Compute first.")
        self.state.go_to_recipe(best.recipe)

    # --- evaluation ---

    def _prepare(self) -> Callable[[threading.Event], None]:
        plan = self.state.plan
        if plan is None:
            raise NbmergeError("Fix the errors in the recipe first.")
        if not self.history.scores:
            raise NbmergeError("There are no scores yet. Add one first.")

        def work(cancel: threading.Event) -> None:
            pooled = self.state.pool.load_merge(plan, cancel=cancel, prompt_tokens=256)
            self.state.notes.add_scores(self.history.evaluate(pooled.model, plan.recipe, cancel=cancel))
            self.description = pooled.description

        return work

    def _follow_recipe(self) -> None:
        if self.follow and self.state.plan is not None and self.history.scores:
            self.runner.submit_debounced(self._prepare())

    # --- state to screen ---

    def _refresh(self) -> None:
        if self.state.plan is not None:
            self._suggest(self.state.plan)
        self._draw()
        self._follow_recipe()

    def _draw(self) -> None:
        plan = self.state.plan
        shown = plan.recipe.fingerprint if plan is not None else ""
        self.view.show({
            "scores": draw_rows(self.history, self.state.history, shown), "note": self._describe(shown),
            "busy": self.runner.busy, "ready": plan is not None and bool(self.history.scores), "follow": self.follow,
            "skills": [name for name, _ in _list_skills()] if list_bundled() else [],
        })  # fmt: skip

    def _describe(self, shown: str) -> str:
        if self.runner.busy:
            return "Computing …"
        if self.history.latest is not None and not self.history.find(shown):
            return STALE
        return f"Computed with a {self.description}." if self.description and self.history.latest else ""


def _list_skills() -> list[tuple[str, Any]]:
    from nbmerge.demo import Skill
    from nbmerge.demo.texts import SKILLS

    return [(f"skill: {skill}", Skill(skill, n=100)) for skill in SKILLS]


def _parts(written: str) -> tuple[str, ...]:
    """Continuations separated by bars; a space before a word is part of the continuation."""
    return tuple(p for p in (part.rstrip() for part in written.split("|")) if p.strip())


def _short(words: str | Iterable[str]) -> str:
    words = str(words)
    return words if len(words) <= LONG else f"{words[: LONG - 1]}…"
