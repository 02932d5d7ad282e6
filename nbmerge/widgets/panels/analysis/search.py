"""The Search panel: good values of the recipe, searched by trials on one live merge, with texts that are held out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import ipywidgets

from nbmerge.engine.planning import Plan
from nbmerge.errors import NbmergeError
from nbmerge.recipe import Recipe
from nbmerge.widgets.controls.view import View
from nbmerge.widgets.panels.analysis.drawing import Drawing
from nbmerge.widgets.panels.analysis.search_course import describe_search
from nbmerge.widgets.panels.analysis.search_form import SearchForm, list_ranges, read_form
from nbmerge.widgets.panels.analysis.table import send_table
from nbmerge.widgets.panels.analysis.work import AnalysisWork
from nbmerge.widgets.panels.panel import Panel
from nbmerge.widgets.state.analyses import list_scores, suggest_score
from nbmerge.widgets.state.names import shorten_in

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from nbmerge.optimisation import Range, SearchResult

LETTERS = 32
"""Longest names of models in the form."""
KEPT = 5
"""Best recipes that go into the history."""
PLOTS = {"slices": "Trials over each value", "coordinates": "Trials as lines"}


class SearchView(View):
    """The drawing of the Search panel."""

    script = "search"
    large = True


class SearchPanel(Panel):
    """A search that starts from the recipe on screen; its best recipes become steps of the history.

    With a storage file it goes on where it was stopped or killed, also after a restart of the kernel: from the same recipe, on
    screen or in the history, and with the same fields.

    Attributes
    ----------
    form : SearchForm or None
        What was last started.
    """

    title = "Search"
    waits_until_seen = True  # pandas and matplotlib take time to import

    def _build(self) -> list[ipywidgets.Widget]:
        self.form: SearchForm | None = None
        self._running: SearchResult | None = None
        self._plot = "slices"
        self._work = AnalysisWork(self, "search")
        self.drawing = Drawing(self)
        self.view = SearchView({
            "start": self.start, "stop": self._work.stop, "go": self.go, "choose": self.choose, "theme": self.choose_theme,
            "save": self.save, "save_table": self.save_table,
        }, self.errors)  # fmt: skip
        return [self.view]

    # --- screen to state ---

    def start(self, form: dict[str, Any]) -> None:
        """Start a search, or go on with the one of the storage file.

        Parameters
        ----------
        form : dict
            The fields of `SearchForm`.
        """
        asked = read_form(form)
        recipe = self._find_start(asked)
        scores, held_out = asked.find_scores(self.state)
        space = asked.make_space(recipe)
        self.form = asked

        def take_trial(found: SearchResult) -> None:
            self._running = found

        def work(plan: Plan, progress: Any, cancel: Any) -> SearchResult:
            from nbmerge.optimisation import search

            found = search(
                recipe, scores, held_out, trials=asked.trials, seconds=asked.seconds, storage=asked.file, seed=asked.seed,
                space=space, goal=asked.goal, sampler=asked.sampler, callback=take_trial, progress=progress, cancel=cancel,
            )  # fmt: skip
            self.state.notes.add_search(found, KEPT)
            return found

        if not self._work.is_running:
            self._running = None  # before it starts: from then on, trials are noted by its thread
        self._work.compute(work)

    def _find_start(self, asked: SearchForm) -> Recipe:
        """The recipe on screen; for a search that goes on, the one that it began with."""
        recipe: Recipe = self._work.plan.recipe
        if asked.file is None:
            return recipe
        from nbmerge.optimisation import find_start

        known = find_start(asked.file)
        step = self.state.history.find(known) if known not in ("", recipe.fingerprint) else None
        return recipe if step is None else step.recipe

    def go(self, trial: int) -> None:
        """Go to the recipe of a trial: to its step where it was on screen before, else it is a new one."""
        found = self._find()
        if found is None:
            raise NbmergeError("There is no search of these models. Start one.")
        self.state.go_to_recipe(found.recipe(trial))

    def choose(self, plot: str) -> None:
        """Choose the plot of the trials."""
        if plot not in PLOTS:
            raise NbmergeError(f"There is no plot '{plot}'.")
        self._plot = plot
        self._draw()

    def choose_theme(self, theme: str) -> None:
        """Draw figures for a theme."""
        self.drawing.choose_theme(theme)
        self._draw()

    def save(self, format: str, window: str) -> None:
        """Send the figure as a file to the browser window that asks for it."""
        self.drawing.save(self.view, f"search-{self._plot}", format, window)

    def save_table(self, window: str) -> None:
        """Send the table of all trials as a file to the browser window that asks for it."""
        found = self._find()
        if found is None:
            raise NbmergeError("There are no trials yet.")
        send_table(self.view, found.table, "search", window)

    # --- state to screen ---

    def _find(self) -> SearchResult | None:
        """The trials so far of the search that is running, or those of the last one."""
        plan = self.state.plan
        if self._work.is_running:
            return self._running
        return None if plan is None else self._work.find(plan)

    def _refresh(self) -> None:
        self._draw()

    def _draw(self) -> None:
        recipe, plan, found = self.state.recipe, self.state.plan, self._find()
        models = list(plan.labels.values()) if plan is not None else []
        ranges = [] if recipe is None or plan is None else list_ranges(recipe)
        scores = list_scores(self.state)
        asked = self.form
        self._request(found)
        self.view.show({
            "ranges": [_describe_range(one, models) for one in ranges],
            "scores": scores, "suggested": suggest_score(self.state) or (scores[0] if scores else ""),
            "form": None if asked is None else asked.model_dump(), "isStored": _is_stored(asked),
            "ready": plan is not None and bool(scores), "progress": self._work.progress,
            "plot": self._plot, "plots": [{"key": key, "title": title} for key, title in PLOTS.items()],
            "drawn": self.drawing.is_ready, "label": PLOTS[self._plot],
            "found": None if found is None else describe_search(found, recipe, models), **self.drawing.content(),
        })  # fmt: skip

    def _request(self, found: SearchResult | None) -> None:
        """Draw the plot of a search that has ended."""
        if found is None or self._work.is_running or not found.front:
            self.drawing.request(None, None)
            return
        plot: Any = self._plot

        def make(theme: str) -> Figure:
            return found.plot(plot, theme=theme)  # type: ignore[arg-type]  # one of the themes

        self.drawing.request((plot, id(found)), make)


def _describe_range(part: Range, models: Sequence[str]) -> dict[str, Any]:
    short = shorten_in(part.title, models, LETTERS)
    return {"title": part.title, "short": short, "low": part.low, "high": part.high, "knots": part.knots}


def _is_stored(asked: SearchForm | None) -> bool:
    """Whether the search that was last started can go on."""
    return asked is not None and asked.file is not None and asked.file.is_file()
