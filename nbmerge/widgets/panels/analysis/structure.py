"""The Structure panel: how the models differ, conflict and are related, and what the recipe does with each tensor."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import ipywidgets

from nbmerge.engine.planning import Plan
from nbmerge.errors import NbmergeError
from nbmerge.widgets.controls.view import View
from nbmerge.widgets.panels.analysis.drawing import Drawing
from nbmerge.widgets.panels.analysis.structure_plots import MEASUREMENTS, PLOTS, StructurePlot, list_models
from nbmerge.widgets.panels.analysis.table import describe_table, send_table
from nbmerge.widgets.panels.job_follower import JobFollower
from nbmerge.widgets.panels.panel import Panel
from nbmerge.widgets.state.analyses import list_prompts

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NAME = "structure"
"""Of the work, and before the name of each measurement in `StudioState.analyses`."""


@dataclass(frozen=True)
class Measured:
    """What was measured, and of what.

    Parameters
    ----------
    of : str
        Name of the measurement.
    key : hashable
        What the numbers follow from.
    result
    """

    of: str
    key: Hashable
    result: Any


class StructureView(View):
    """The drawing of the Structure panel."""

    script = "structure"
    large = True


class StructurePanel(Panel):
    """One plot after another of the structure of the models, measured on demand; with its table and files.

    What was measured is kept for other plots, and for as long as the models stay the same.

    Attributes
    ----------
    chosen : str
        The plot, by its name in `PLOTS`.
    """

    title = "Structure"
    waits_until_seen = True  # pandas and matplotlib take time to import

    def _build(self) -> list[ipywidgets.Widget]:
        self.chosen = next(iter(PLOTS))
        self._work = JobFollower(self, NAME, self._take)
        self.drawing = Drawing(self)
        self.view = StructureView({
            "choose": self.choose, "theme": self.choose_theme, "measure": self.measure, "stop": self._work.stop,
            "save": self.save, "save_table": self.save_table,
        }, self.errors)  # fmt: skip
        return [self.view]

    # --- screen to state ---

    def choose(self, plot: str) -> None:
        """Choose a plot; it is drawn at once where its numbers are known or need no reading."""
        if plot not in PLOTS:
            raise NbmergeError(f"There is no plot '{plot}'. Reload the page: it may show an older version of nbmerge.")
        self.chosen = plot
        self._draw()

    def choose_theme(self, theme: str) -> None:
        """Draw figures for a theme."""
        self.drawing.choose_theme(theme)
        self._draw()

    def measure(self) -> None:
        """Measure what the chosen plot is of, in the background."""
        plot, plan = PLOTS[self.chosen], self._work.plan
        if reason := find_obstacle(plot, plan):
            raise NbmergeError(reason)
        models, key = list_models(plan), self._make_key(plot, plan)
        texts = {"prompts": list_prompts(self.state)} if MEASUREMENTS[plot.of].of_prompts else {}

        def work(progress: Any, cancel: Any) -> Measured:
            result = MEASUREMENTS[plot.of].measure(plan, models, progress=progress, cancel=cancel, **texts)
            return Measured(plot.of, key, result)

        self._work.start(work)

    def save(self, format: str, window: str) -> None:
        """Send the figure as a file to the browser window that asks for it."""
        self.drawing.save(self.view, f"structure-{self.chosen.replace(' ', '-')}", format, window)

    def save_table(self, window: str) -> None:
        """Send the whole table as a file to the browser window that asks for it."""
        found = self._find(PLOTS[self.chosen], self._work.plan)
        if found is None:
            raise NbmergeError("Nothing is measured yet.")
        send_table(self.view, PLOTS[self.chosen].table(found), f"structure-{self.chosen.replace(' ', '-')}", window)

    # --- state to screen ---

    def _take(self, measured: Measured) -> None:
        plan = self.state.plan
        if plan is not None:
            self.state.analyses.note(f"{NAME} {measured.of}", measured, plan)

    def _find(self, plot: StructurePlot, plan: Plan) -> Any:
        """What a plot is drawn from, None where it is not measured for these models."""
        key = self._make_key(plot, plan)
        found = self.state.analyses.find(f"{NAME} {plot.of}", plan)
        if found is not None and found.key == key:
            return found.result
        if not MEASUREMENTS[plot.of].is_instant or find_obstacle(plot, plan):
            return None
        result = MEASUREMENTS[plot.of].measure(plan, list_models(plan))
        self.state.analyses.note(f"{NAME} {plot.of}", Measured(plot.of, key, result), plan)
        return result

    def _list_plots(self) -> list[str]:
        """The plots on offer: those of mixtures only where the recipe is one."""
        plan = self.state.plan
        is_mixture = plan is not None and plan.recipe.experts is not None
        return [
            key for key, p in PLOTS.items() if is_mixture or key == self.chosen or not MEASUREMENTS[p.of].of_mixtures
        ]

    def _make_key(self, plot: StructurePlot, plan: Plan) -> Hashable:
        """What the numbers of a plot follow from: the folders of the models, and where they depend on them, recipe and prompts."""
        measurement = MEASUREMENTS[plot.of]
        folders = tuple(plan.checkpoints[ref].folders for ref in list_models(plan))
        prompts = list_prompts(self.state) if measurement.of_prompts else ()
        return folders, plan.recipe.fingerprint if measurement.of_recipe else "", prompts

    def _refresh(self) -> None:
        self._draw()

    def _draw(self) -> None:
        plot, plan = PLOTS[self.chosen], self.state.plan
        reason = "Fix the errors in the recipe first." if plan is None else find_obstacle(plot, plan)
        found = None if plan is None or reason else self._find(plot, plan)
        make = None
        if plan is not None and found is not None:

            def make(theme: str) -> Figure:
                figure: Figure = plot.draw(found, theme)
                return figure

            self.drawing.request((self.chosen, self._make_key(plot, plan)), make)
        else:
            self.drawing.request(None, None)
        self.view.show({
            "plots": [{"key": key, "title": PLOTS[key].title} for key in self._list_plots()], "chosen": self.chosen,
            "help": plot.help, "reason": reason, "progress": self._work.progress,
            "measured": found is not None, "table": None if found is None else describe_table(plot.table(found)),
            "words": _find_words(plot, plan, found), "label": f"{plot.title}: {plot.help}",
            "drawn": self.drawing.is_ready, **self.drawing.content(),
        })  # fmt: skip


def find_obstacle(plot: StructurePlot, plan: Plan) -> str:
    """Why a plot cannot be drawn of a plan; empty where it can."""
    if MEASUREMENTS[plot.of].of_mixtures and plan.recipe.experts is None:
        return "This plot is of a mixture of experts."
    least = max(plot.least, MEASUREMENTS[plot.of].least)
    if len(list_models(plan)) < least:
        return f"This plot needs {'three' if least == 3 else 'two'} models: a base, and {'two' if least == 3 else 'one'} beside it."
    return ""


def _find_words(plot: StructurePlot, plan: Plan | None, found: Any) -> list[str]:
    if plan is None or found is None:
        return []
    words = list(plot.find(found))
    if plan.recipe.base_model is None and plot.of in ("statistics", "conflicts", "spectra"):
        words.append(f"The recipe names no base: {plan.parents[0]} takes its place.")
    return words
