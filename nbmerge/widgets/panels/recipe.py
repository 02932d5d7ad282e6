"""The Recipe panel: the recipe as text, live and editable."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import ipywidgets
from traitlets import Dict

from nbmerge.engine.planning import examine, list_problems
from nbmerge.errors import RecipeError
from nbmerge.problems import Problem, worst_first
from nbmerge.recipe import Recipe
from nbmerge.widgets.controls.view import View
from nbmerge.widgets.panels.completions import list_words
from nbmerge.widgets.panels.panel import Panel

DIALECTS = [
    ("", "not named"), ("nbmerge", "nbmerge"), ("mergekit-0.1", "mergekit 0.1"), ("mergekit-0.0", "mergekit before 0.1"),
]  # fmt: skip
EDITED = "Edited, not applied yet."
BEHIND = "Edited, not applied yet. The recipe has changed elsewhere since; Apply keeps both changes."
REFUSED = "Not applied: correct the errors below, or press Revert. Nothing was changed."
JOINED = "Applied, together with what was changed elsewhere."


class RecipeView(View):
    """The editor.

    Attributes
    ----------
    words : dict
        What can be written; apart from the content, which changes with every move of a slider.
    """

    script = "editor"
    large = True

    words = Dict().tag(sync=True)


class RecipePanel(Panel):
    """The recipe as YAML: sliders change it, and applying an edited text moves the sliders."""

    title = "Recipe"

    def _build(self) -> list[ipywidgets.Widget]:
        self._note = ""
        self._offered: Any = None
        self._checked: tuple[Any, Sequence[Problem]] = (None, ())
        self.view = RecipeView({"edit": self.edit, "apply": self.apply, "revert": self.revert}, self.errors)
        self.watch(self.state.draft, self.errors(lambda change: self.redraw()), "text")
        return [self.view]

    # --- what a user does ---

    def edit(self, text: str) -> None:
        """Note what was typed; it is kept until it is applied or dropped."""
        self._note = ""
        self.state.draft.edit(text)
        self._refresh()

    def apply(self, text: str) -> None:
        """Make the text the recipe, together with what was changed elsewhere while it was being edited."""
        self._note = ""
        self.state.draft.edit(text)
        behind, draft = self.state.draft.is_behind, self.state.draft.text
        if draft is None:
            return
        if self.state.draft.apply():
            recipe = self.state.recipe
            if behind:
                self._note = JOINED
            elif recipe is not None and self.state.text != draft:
                self._note = f"Read from {recipe.origin}."
        self._refresh()

    def revert(self) -> None:
        """Forget the text that is not applied."""
        self._note = ""
        self.state.draft.drop()

    @property
    def edited(self) -> bool:
        """Whether the text was changed and not yet applied."""
        return self.state.draft.text is not None

    # --- state to screen ---

    def _refresh(self) -> None:
        state, draft = self.state, self.state.draft.text
        text = state.text if draft is None else draft
        if draft is None:
            problems: Sequence[Problem] = state.problems
        else:
            problems = state.refused or self._check(draft)
        self.view.show({
            "text": text, "edited": self.edited, "note": self._describe(), "problems": [_plain(p) for p in problems],
            "dialects": [{"value": value, "label": label} for value, label in DIALECTS],
        })  # fmt: skip
        self._offer_words()

    def _offer_words(self) -> None:
        """Send what can be written, where that has changed: with the models, and with the first plan."""
        recipe, plan = self.state.recipe, self.state.plan
        key = (() if recipe is None else recipe.references), plan is not None
        if key != self._offered:
            self._offered = key
            self.view.words = list_words(recipe, plan)

    def _describe(self) -> str:
        if self._note or self.state.draft.text is None:
            return self._note
        if self.state.refused:
            return REFUSED
        return BEHIND if self.state.draft.is_behind else EDITED

    def _check(self, draft: str) -> Sequence[Problem]:
        """The problems of a text that is being typed."""
        recipe = self.state.recipe
        known = frozenset(map(str, recipe.references)) if recipe is not None else frozenset()
        key = draft, known
        if self._checked[0] != key:
            self._checked = key, check_text(draft, known)
        return self._checked[1]


def check_text(text: str, known: frozenset[str]) -> list[Problem]:
    """The problems of a text that is being typed; one that names other models than `known` is read but not planned.

    A model whose name is only half typed must not be looked for on the Hub.
    """
    try:
        recipe = Recipe.load(text if text.endswith("\n") else f"{text}\n")  # never the path of a file
    except RecipeError as error:
        rest = error.rest
        return list_problems(error) if rest is None or _names_only(rest, known) else worst_first(error.problems)
    return list(examine(recipe)[1]) if _names_only(recipe, known) else list(recipe.notes)


def _names_only(recipe: Recipe, known: frozenset[str]) -> bool:
    return known.issuperset(map(str, recipe.references))


def _plain(problem: Problem) -> dict[str, Any]:
    """A problem as the editor takes it; where there is no line, with its place."""
    place = f"{problem.place}: " if problem.place and problem.line is None else ""
    return {
        "severity": problem.severity, "line": problem.line,
        "text": f"{place}{problem.what} {problem.how}".strip(),
    }  # fmt: skip
