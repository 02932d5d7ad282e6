"""The Studio: one screen around one state."""

from __future__ import annotations

from functools import partial
from importlib import import_module
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import ipywidgets

from nbmerge.errors import NbmergeError
from nbmerge.recipe import Recipe
from nbmerge.widgets.controls.cell import count_in_run, find_current_run, find_previous
from nbmerge.widgets.controls.elements import styles
from nbmerge.widgets.controls.python_code import insert_cell, write_code
from nbmerge.widgets.controls.restore_line import RestoreLine
from nbmerge.widgets.panels.drawer import Drawer
from nbmerge.widgets.panels.job_line import JobLine
from nbmerge.widgets.panels.panel import Panel, StateBox
from nbmerge.widgets.panels.samples import SamplesPanel
from nbmerge.widgets.panels.scores import ScoresPanel
from nbmerge.widgets.panels.setup.bar import SetupBar
from nbmerge.widgets.panels.setup.merge import MergeForm
from nbmerge.widgets.panels.setup.method import MethodForm
from nbmerge.widgets.panels.setup.models import ModelsForm
from nbmerge.widgets.panels.tracks import TracksPanel
from nbmerge.widgets.state.analyses import needs_texts
from nbmerge.widgets.state.page import PageMaker
from nbmerge.widgets.state.sampling_session import ModelOutput
from nbmerge.widgets.state.saved import Session, find_notebook, find_place, is_worth_keeping
from nbmerge.widgets.state.studio_state import StudioState

if TYPE_CHECKING:
    from nbmerge.optimisation import SearchResult
    from nbmerge.plots import NotebookFigure
    from nbmerge.typing import ProgressLike

DRAWER = {
    "Recipe": "recipe.RecipePanel", "Figure": "figure.FigurePanel", "Tensors": "tensors.TensorsPanel",
    "Tokens": "tokens.TokensPanel", "Text": "analysis.text.TextPanel", "History": "history.HistoryPanel",
    "Compare": "compare.ComparePanel", "Sweep": "analysis.sweep.SweepPanel",
    "Structure": "analysis.structure.StructurePanel", "Search": "analysis.search.SearchPanel",
    "Gather": "analysis.gather.GatherPanel", "Python": "python.PythonPanel",
}  # fmt: skip
"""Panels in the drawer: imported and made when their tab is first opened."""

P = TypeVar("P", bound=Panel)


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
    setup, tracks, samples, scores, drawer, jobs : Panel
        The parts of the screen, from top to bottom.
    recipe_panel, figure_panel, tensors, tokens, text, history, compare, sweep, structure, search, gather, python : Panel
        In the drawer; made when they are first needed.
    models, method, merge : Form
        Parts of the setup.

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
        self.samples, self.scores = self._panel(SamplesPanel), self._panel(ScoresPanel)
        self.tracks = self._panel(
            TracksPanel
        )  # after those that suggest prompts and scores, which it would draw again for
        self.setup, self.jobs = self._panel(SetupBar), self._panel(JobLine)
        self.drawer = Drawer(
            self.state,
            {name: partial(self._load_panel, path) for name, path in DRAWER.items()},
            {"Gather": needs_texts},
        )
        self.at_close(self.drawer.close)
        self.setup.connect(self.drawer.show, tuple(DRAWER))
        self.tracks.connect(self._show_tensors, self._list_outputs)
        self.add_class("nbm-studio")
        restore = RestoreLine(self.session, self.errors, self._continued)
        tracks = _card(self.tracks, kind="tracks-card")
        outputs = ipywidgets.HBox([_card(self.samples, kind="samples-card"), _card(self.scores, kind="scores-card")])
        outputs.add_class("nbm-outputs")
        cards = [tracks, outputs, _card(self.drawer), _card(self.jobs)]
        self.children = [styles(), restore, self.setup, *cards, self.errors]

    # Panels that are made when they are first needed:

    @property
    def recipe_panel(self) -> Panel:
        """The recipe as text."""
        return self.drawer.panel("Recipe")

    @property
    def tensors(self) -> Panel:
        """Every tensor of the result with its formula."""
        return self.drawer.panel("Tensors")

    @property
    def python(self) -> Panel:
        """The same merge as code."""
        return self.drawer.panel("Python")

    @property
    def tokens(self) -> Panel:
        """Vocabularies side by side."""
        return self.drawer.panel("Tokens")

    @property
    def figure_panel(self) -> Panel:
        """The gradients as matplotlib draws them."""
        return self.drawer.panel("Figure")

    @property
    def history(self) -> Panel:
        """Every step, as a tree."""
        return self.drawer.panel("History")

    @property
    def compare(self) -> Panel:
        """Blind tests and grids of samples."""
        return self.drawer.panel("Compare")

    @property
    def text(self) -> Panel:
        """A text token by token, for the merge and its parents."""
        return self.drawer.panel("Text")

    @property
    def sweep(self) -> Panel:
        """Scores along the path between two recipes."""
        return self.drawer.panel("Sweep")

    @property
    def structure(self) -> Panel:
        """How the models differ, conflict and are related."""
        return self.drawer.panel("Structure")

    @property
    def search(self) -> Panel:
        """Good values of the recipe, searched by trials."""
        return self.drawer.panel("Search")

    @property
    def gather(self) -> Panel:
        """Statistics of texts for the methods that need them."""
        return self.drawer.panel("Gather")

    @property
    def models(self) -> ModelsForm:
        """Which models are merged."""
        return self.setup.models

    @property
    def method(self) -> MethodForm:
        """The method and its parameters."""
        return self.setup.method

    @property
    def merge(self) -> MergeForm:
        """The merge to disk."""
        return self.setup.merge

    def _show_tensors(self, words: str) -> None:
        """Open the tensors whose names contain some words."""
        panel: Any = self.tensors
        panel.set_filter(words)
        self.drawer.show("Tensors")

    def _list_outputs(self) -> list[ModelOutput]:
        """What models have generated."""
        return list(self.samples.session.outputs.values())

    def _load_panel(self, path: str) -> Panel:
        """A panel by its module and class below `nbmerge.widgets.panels`."""
        module, name = path.rsplit(".", 1)
        return self._panel(getattr(import_module(f"nbmerge.widgets.panels.{module}"), name))

    def _panel(self, kind: type[P]) -> P:
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
        from nbmerge.plots import plot_merge

        plan = self.state.plan
        if plan is None:
            raise NbmergeError("Fix the errors in the recipe first.")
        return plot_merge(plan, self.state.measurements.find_changes(plan), **options)

    def export(
        self, file: str | PathLike[str], *, title: str = "", overwrite: bool = False, progress: ProgressLike = None
    ) -> Path:
        """Write what is on screen as one HTML file in which the curves can be moved without a kernel; see `nbmerge.export_page`.

        The page also has the texts that were generated for this recipe, its pinned merges and its models, and the scores
        and curves of pinned merges.

        Parameters
        ----------
        file : path
            The HTML file.
        title : str
            Heading of the page; default the method and the models.
        overwrite : bool
            Whether a file of that name is replaced.
        progress
            As in `nbmerge.merge`, for models that were not measured yet.

        Returns
        -------
        Path
            The file.

        Raises
        ------
        OutputError
            When the file exists, or cannot be written.
        NbmergeError
            When there is no valid recipe.

        Examples
        --------
        >>> import nbmerge as nbm
        >>> studio = nbm.Studio()
        >>> studio.export("page.html").name
        'page.html'
        >>> studio.close()
        """
        from nbmerge.pages import check_place, write_page

        check_place(Path(file), overwrite)
        maker = PageMaker(self.state, self._list_outputs(), title)
        return write_page(maker.make(progress), Path(file), overwrite=overwrite)

    def add_search(self, found: SearchResult, most: int = 5) -> None:
        """Put the best recipes of a search into the history, with their scores; the recipe on screen stays.

        Parameters
        ----------
        found : SearchResult
            Returned by `nbmerge.search`, such as ``nbm.search(studio.recipe, ...)``.
        most : int
            Number of recipes: those of the Pareto front, then the next best.
        """
        self.state.notes.add_search(found, most)

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

    def __repr__(self) -> str:
        recipe = self.recipe
        if recipe is None:
            return "<Studio: no models chosen>"
        return f"<Studio {recipe!r}>\n{self.state.text}"


def _continue_previous(state: StudioState) -> bool:
    """Go on from the Studio that the running cell showed before, where the cell still asks for the same recipe."""
    former = find_previous(Studio)
    if former is None:
        return False
    state.models_folder = former.state.models_folder
    former.session.keeper.keep()  # also where it is not continued: it can then be restored
    if former.state.start != state.start or not is_worth_keeping(former.state):
        return False
    state.notes.scores, state.prompts = former.state.notes.scores, former.state.prompts
    state.notes.blind_test = former.state.notes.blind_test
    state.take_history(former.state.history)
    if former.state.draft.text is not None:
        state.draft.resume(former.state.draft.text, former.state.draft.base)
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


def _card(*panels: ipywidgets.Widget, kind: str = "") -> ipywidgets.Box:
    """Panels in a frame; between cards there is room."""
    box = ipywidgets.VBox(list(panels))
    box.add_class("nbm-card-box")
    if kind:
        box.add_class(f"nbm-{kind}")
    return box


def _first_recipe() -> Recipe | None:
    """The bundled family's recipe: a new user sees something that works at once."""
    try:
        from nbmerge import demo

        return demo.recipe()
    except (ImportError, AttributeError, NbmergeError, OSError):
        return None
