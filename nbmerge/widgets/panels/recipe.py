"""The Recipe panel: the recipe as text, live and editable."""

from __future__ import annotations

import html

import ipywidgets
from ipywidgets import Layout

from nbmerge.widgets.controls.elements import button, problem_list, row, set_visible, text
from nbmerge.widgets.controls.python_code import write_code
from nbmerge.widgets.panels.panel import Panel
from nbmerge.widgets.state.studio_state import StudioState

NOT_APPLIED = "<p><b>Not applied.</b> The text is not a valid recipe; nothing was changed.</p>"


class RecipePanel(Panel):
    """The recipe as YAML: sliders change it, and applying an edited text moves the sliders."""

    title = "Recipe"

    def _build(self) -> list[ipywidgets.Widget]:
        guard = self.errors
        self.area = ipywidgets.Textarea(layout=Layout(width="auto", height="420px"))
        self.area.add_class("nbm-code")
        self.apply = button(
            "Apply", guard(lambda _: self._apply()), hint="Use the edited text as the recipe", style="primary"
        )
        self.revert = button("Revert", guard(lambda _: self._revert()), hint="Discard the edited text")
        self.undo = button("Undo", guard(lambda _: self.state.undo()), icon="undo")
        self.redo = button("Redo", guard(lambda _: self.state.redo()), icon="repeat")
        self.note = text(kind="quiet")
        self.problems = text(kind="problem-box")
        self.python = ipywidgets.Textarea(disabled=False, layout=Layout(width="auto", height="110px"))
        self.python.add_class("nbm-code")
        self.copy = ipywidgets.Accordion([self.python], selected_index=None)
        self.copy.set_title(0, "The same merge in Python")
        self.area.observe(guard(lambda change: self._typed()), "value")
        bar = row(self.apply, self.revert, self.undo, self.redo, self.note)
        return [bar, self.area, self.problems, self.copy]

    @property
    def edited(self) -> bool:
        """Whether the text was changed and not yet applied."""
        return self.state.draft is not None

    def _refresh(self) -> None:
        state = self.state
        self.area.value = state.text if state.draft is None else state.draft
        self.undo.disabled, self.redo.disabled = not state.can_undo, not state.can_redo
        self.python.value = write_code(state.text)
        self._mark()

    def _mark(self) -> None:
        refused = self.state.refused
        self.apply.disabled = self.revert.disabled = not self.edited
        self.note.value = _describe_draft(self.state)
        if refused:
            self.problems.value = NOT_APPLIED + problem_list(refused, self.area.value)
        else:
            self.problems.value = problem_list(self.state.problems, self.state.text)
        set_visible(self.problems, bool(self.problems.value))

    def _typed(self) -> None:
        self.state.edit_draft(self.area.value)
        self._mark()

    def _apply(self) -> None:
        typed, behind = self.area.value, self.state.is_draft_behind
        if self.state.apply_draft():
            self.area.value = self.state.text
            self._mark()
            if behind:
                self.note.value = "Applied, together with what was changed elsewhere."
            elif self.recipe is not None and self.state.text != typed:
                self.note.value = f"Read {html.escape(self.recipe.origin)}."

    def _revert(self) -> None:
        self.state.drop_draft()
        self.area.value = self.state.text


def _describe_draft(state: StudioState) -> str:
    if state.draft is None:
        return ""
    if state.is_draft_behind:
        return "Edited, not applied yet. The recipe has changed elsewhere since; Apply keeps both changes."
    return "Edited, not applied yet."
