"""The Studio: all panels around one state."""

from __future__ import annotations

import html
from os import PathLike
from pathlib import Path
from typing import Any

import ipywidgets

from nbmerge.errors import NbmergeError
from nbmerge.plots import NotebookFigure, plot_merge
from nbmerge.recipe import Recipe
from nbmerge.widgets.controls.cell import count_in_run, find_current_run, find_previous
from nbmerge.widgets.controls.elements import button, row, styles, text
from nbmerge.widgets.controls.python_code import insert_cell, write_code
from nbmerge.widgets.controls.restore_line import RestoreLine
from nbmerge.widgets.panels.figure import FigurePanel
from nbmerge.widgets.panels.history import HistoryPanel
from nbmerge.widgets.panels.merge import MergePanel
from nbmerge.widgets.panels.method import MethodPanel
from nbmerge.widgets.panels.models import ModelsPanel
from nbmerge.widgets.panels.panel import Panel, StateBox
from nbmerge.widgets.panels.recipe import RecipePanel
from nbmerge.widgets.panels.samples import SamplesPanel
from nbmerge.widgets.panels.scores import ScoresPanel
from nbmerge.widgets.panels.tokens import TokensPanel
from nbmerge.widgets.panels.tracks import TracksPanel
from nbmerge.widgets.state.saved import Session, find_notebook, find_place, is_worth_keeping
from nbmerge.widgets.state.studio_state import StudioState

LEFT = (ModelsPanel, TokensPanel, MethodPanel)
RIGHT = (RecipePanel, FigurePanel, SamplesPanel, ScoresPanel, MergePanel, HistoryPanel)


class Studio(StateBox):
    """Choose models, draw gradients, see what changes, sample the merge, write it to disk.

    Parameters
    ----------
    recipe : Recipe, or anything that `Recipe.load` reads, optional
        Default: the bundled family with its gradient recipe.
    state : StudioState, optional
        Shared with panels that are shown elsewhere.
    save : bool or path, optional
        Where its history, prompts and scores are kept: in a file in ``.nbmerge`` beside the notebook (default), in this
        file, or nowhere. What was kept can be restored after a restart of the kernel, and a cell that runs again with the
        same recipe goes on where it was left. The file has neither weights nor access tokens.

    Attributes
    ----------
    recipe : Recipe
        What is on screen; set it to change everything.
    state : StudioState
    tracks, models, tokens, method, recipe_panel, figure_panel, samples, scores, merge, history : Panel

    Notes
    -----
    `close` removes it from the screen, stops its work and frees the models it has in memory; so does running its cell
    again, which shows a new Studio in its place. `recipe` stays. Studios in different cells
    live side by side.

    Examples
    --------
    >>> import nbmerge as nbm
    >>> studio = nbm.Studio()  # in a notebook, end the cell with `studio` to display it
    >>> result = nbm.merge(studio.recipe, "merged")
    >>> studio.close()
    """

    def __init__(
        self, recipe: Any = None, *, state: StudioState | None = None, save: bool | str | PathLike[str] = True
    ):
        own = state is None
        self._save = save
        state = state if state is not None else StudioState(recipe if recipe is not None else _first_recipe())
        self._continued = own and save is not False and _continue_previous(state)
        super().__init__(state)

    def _open(self) -> None:
        self.session = Session(self.state, _find_file(self._save), self._continued)
        self.at_close(self.session.close)
        # Notified first: what a user waits for.
        order = dict.fromkeys([TracksPanel, SamplesPanel, *LEFT, *RIGHT])
        panels = {kind: self._panel(kind) for kind in order}
        self.tracks = panels[TracksPanel]
        self.models, self.tokens, self.method = (panels[k] for k in LEFT)
        self.recipe_panel, self.figure_panel, self.samples, self.scores, self.merge, self.history = (
            panels[k] for k in RIGHT
        )
        self.status = text(kind="status")
        self.add_class("nbm-studio")
        left, right = (
            _tabs([panels[k] for k in LEFT], chosen=LEFT.index(MethodPanel)),
            _tabs([panels[k] for k in RIGHT], chosen=0),
        )
        columns = ipywidgets.HBox([left, right])
        columns.add_class("nbm-columns")
        self.status.add_class("nbm-grow")
        self.undo = button("", self.errors(lambda _: self.state.undo()), hint="Undo", icon="undo")
        self.redo = button("", self.errors(lambda _: self.state.redo()), hint="Redo", icon="repeat")
        restore = RestoreLine(self.session, self.errors, self._continued)
        top = [styles(), restore, row(self.status, self.undo, self.redo)]
        self.children = [*top, self.tracks, self.scores.compact_view, columns, self.errors]
        self.watch(self.state, self.errors(lambda change: self._show_status()), "revision")
        self._show_status()

    def _panel(self, kind: type[Panel]) -> Panel:
        panel = kind(state=self.state, part=True)
        self.at_close(panel.close)
        return panel

    @property
    def recipe(self) -> Recipe | None:
        """The recipe on screen; set it to anything that `Recipe.load` reads."""
        return self.state.recipe

    @recipe.setter
    def recipe(self, recipe: Any) -> None:
        self.state.open_recipe(Recipe.load(recipe))

    def figure(self, **options: Any) -> NotebookFigure:
        """The gradients on screen as a matplotlib figure, with how far the merge has moved where that is known.

        Parameters
        ----------
        **options
            Those of `nbmerge.plots.plot_merge`: `what`, `parents`, `theme`, `width`, `font_size`.

        Raises
        ------
        NbmergeError
            When there is no valid recipe.

        Examples
        --------
        >>> import nbmerge as nbm
        >>> studio = nbm.Studio()
        >>> studio.figure(theme="light").savefig("gradients.pdf")
        >>> studio.close()
        """
        plan = self.state.plan
        if plan is None:
            raise NbmergeError("Fix the errors in the recipe first.")
        return plot_merge(plan, self.state.measurements.find_changes(plan), **options)

    def restore(self, file: str | PathLike[str] | None = None) -> None:
        """Go on from what was kept of an earlier session.

        Parameters
        ----------
        file : path, optional
            A file that another Studio has written; default what this one offers.

        Raises
        ------
        NbmergeError
            When there is none, or it cannot be read.
        """
        self.session.restore(None if file is None else Path(file))

    def write_cell(self, out: str = "merged") -> None:
        """Put Python code that does the same merge into a new cell below the one that calls this.

        Parameters
        ----------
        out : str
            Name of the folder that the code writes.

        Raises
        ------
        NbmergeError
            Outside of a notebook's cell, and before models are chosen.
        """
        if self.recipe is None:
            raise NbmergeError("No models are chosen yet, so there is no recipe to write.")
        insert_cell(write_code(self.state.text, out))

    def _show_status(self) -> None:
        self.status.value = describe_state(self.state)
        self.undo.disabled, self.redo.disabled = not self.state.can_undo, not self.state.can_redo

    def __repr__(self) -> str:
        recipe = self.recipe
        if recipe is None:
            return "<Studio: no models chosen>"
        return f"<Studio {recipe!r}>\n{recipe.to_yaml()}"


def _continue_previous(state: StudioState) -> bool:
    """Go on from the Studio that the running cell showed before, where the cell still asks for the same recipe."""
    former = find_previous(Studio)
    if former is None:
        return False
    former.session.keeper.keep()  # also where it is not continued: it can then be restored
    if former.state.start != state.start or not is_worth_keeping(former.state):
        return False
    state.scores, state.prompts = former.state.scores, former.state.prompts
    state.take_history(former.state.history)
    return True


def _find_file(save: bool | str | PathLike[str]) -> Path | None:
    """The file that a Studio is kept in; None outside of a notebook's cell unless it is named."""
    if isinstance(save, bool):
        run = find_current_run() if save else None
        if run is None:
            return None
        number = count_in_run(Studio)
        return find_place(f"{run.cell} {number}" if number else run.cell, find_notebook())
    return Path(save)


NEXT = "Drag a point of the curve, compare Samples and Scores, then Merge."
FIRST = "Choose a base model and one that was fine-tuned from it, in the Models panel."


def describe_state(state: StudioState) -> str:
    """One line: the state of the recipe, and what to do next."""
    errors = [p for p in state.problems if p.severity == "error"]
    warnings = sum(p.severity == "warning" for p in state.problems)
    if state.refused:
        kind, head, advice = "bad", "text not applied", "The Recipe panel shows the line. Correct it, or press Revert."
    elif state.recipe is None:
        kind, head, advice = "idle", "no models yet", FIRST
    elif errors or state.plan is None:
        kind, head = "bad", "1 problem" if len(errors) == 1 else f"{len(errors)} problems"
        advice = f"{errors[0].what} {errors[0].how}" if errors else ""
    else:
        kind, plan = "ready", state.plan
        head = f"ready, {warnings} warning{'s' if warnings > 1 else ''}" if warnings else "ready"
        advice = f"{plan.method.title} of {', '.join(plan.parents)}; {plan.depth} {'layer' if plan.depth == 1 else 'layers'}. {NEXT}"
    return f"<span class='nbm-badge nbm-{kind}'>{html.escape(head)}</span> {html.escape(advice.strip())}"


def _tabs(panels: list[Panel], chosen: int) -> ipywidgets.Tab:
    tabs = ipywidgets.Tab(panels)
    for i, panel in enumerate(panels):
        tabs.set_title(i, panel.title)
    tabs.selected_index = chosen
    tabs.add_class("nbm-tabs")

    def turn(change: Any = None) -> None:
        for i, panel in enumerate(panels):
            panel.in_view = i == tabs.selected_index

    tabs.observe(turn, "selected_index")
    turn()
    return tabs


def _first_recipe() -> Recipe | None:
    """The bundled family's recipe: a new user sees something that works at once."""
    try:
        from nbmerge import demo

        return demo.recipe()
    except (ImportError, AttributeError, NbmergeError, OSError):
        return None
