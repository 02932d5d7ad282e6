"""The Figure panel: the present gradients and statistics as matplotlib draws them, and as files and code."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import ipywidgets

from nbmerge.engine.planning import Plan
from nbmerge.errors import NbmergeError
from nbmerge.plots.look import THEMES, Look, Theme
from nbmerge.widgets.controls.view import View
from nbmerge.widgets.panels.analysis.drawing import FAST, FORMATS, IN_FILES, ON_SCREEN, PIXELS_PER_INCH
from nbmerge.widgets.panels.panel import Panel
from nbmerge.widgets.state.debounce import DebouncedRunner
from nbmerge.widgets.state.job import DONE

if TYPE_CHECKING:
    from nbmerge.plots import NotebookFigure
    from nbmerge.plots.redrawing import Redrawing
    from nbmerge.statistics import Changes


class FigureView(View):
    """The picture with its buttons."""

    script = "figure"


class FigurePanel(Panel):
    """The gradients, and how far the merge has moved, as one figure for a paper, a talk or a notebook.

    It is drawn again when the hand rests, and only while it is in view; as a part of a box, not before the box says that it is.
    What is downloaded, and what the code makes, is the figure that is seen.

    Attributes
    ----------
    theme : "auto", "light" or "dark"
    parent : str
        Parent that has a heat map; empty for none.
    """

    title = "Figure"
    waits_until_seen = True  # matplotlib takes half a second to import

    def _build(self) -> list[ipywidgets.Widget]:
        self.theme: Theme = "auto"
        self.parent = ""
        self._png = b""
        self._redrawing: Redrawing | None = None
        self.view = FigureView({"choose": self.choose, "save": self.save}, self.errors)
        self.runner = DebouncedRunner(self.errors.show, "figure", self.state.activities)
        self.at_close(self.runner.close)
        self.at_close(self._forget)
        self.watch(self.state.job, self.errors(lambda change: self._follow_job(change["new"])), "status")
        return [self.view]

    def _forget(self) -> None:
        """Free the figure: a closed panel may be held for long, in a notebook's Out."""
        self._redrawing = None

    def figure(self) -> NotebookFigure:
        """The figure, to be changed or saved in Python.

        Raises
        ------
        NbmergeError
            When there is no valid recipe.
        """
        plan = self.state.plan
        if plan is None:
            raise NbmergeError("Fix the errors in the recipe first.")
        return self._make_figure(plan, self._known(plan))

    def choose(self, theme: str | None = None, parent: str | None = None) -> None:
        """Choose the theme, and the parent that has a heat map; None leaves what is chosen."""
        if theme in THEMES:
            self.theme = theme  # type: ignore[assignment]  # checked
        if parent is not None:
            self.parent = parent
        self._refresh()

    def save(self, format: str, window: str) -> None:
        """Send the figure as a file to the browser window that asks for it."""
        if format not in FORMATS:
            raise NbmergeError(f"Figures can be saved as {', '.join(FORMATS)}, not as '{format}'.")
        from nbmerge.plots import to_bytes

        data = to_bytes(self.figure(), format, IN_FILES)  # type: ignore[arg-type]  # checked above
        plan = self.state.plan
        name = f"{plan.method.name if plan is not None else 'merge'}-gradients.{format}"
        self.view.send({"file": name, "type": FORMATS[format], "window": window}, [data])

    def _known(self, plan: Plan) -> Changes | None:
        """What is known about how far the merge has moved."""
        return self.state.measurements.find_changes(plan)

    def _parents(self, changes: Changes | None) -> list[str]:
        return [self.parent] if changes is not None and self.parent in changes.parents else []

    def _make_figure(self, plan: Plan, changes: Changes | None) -> NotebookFigure:
        from nbmerge.plots import plot_merge  # matplotlib, which the first figure needs and the first paint does not

        return plot_merge(plan, changes, parents=self._parents(changes), theme=self.theme)

    def _draw_png(self, plan: Plan, changes: Changes | None) -> tuple[bytes, tuple[int, int]]:
        """The same figure for the screen, with its size in pixels of the page. Called by one thread at a time."""
        from nbmerge.plots.pictures import compose_merge
        from nbmerge.plots.redrawing import Redrawing

        redrawing = self._redrawing or Redrawing(ON_SCREEN, FAST)
        png = redrawing.draw(*compose_merge(plan, changes, parents=self._parents(changes), look=Look(self.theme)))
        if not self.closed:
            self._redrawing = redrawing
        width, height = redrawing.size
        return png, (round(width * PIXELS_PER_INCH), round(height * PIXELS_PER_INCH))

    def _refresh(self) -> None:
        plan = self.state.plan
        if plan is None:
            self.runner.stop()
            self._show(None, None)
            return

        def work(cancel: threading.Event) -> None:
            changes = self._known(plan)
            png, size = self._draw_png(plan, changes)
            if not cancel.is_set() and not self.closed:
                self._png, self._size = png, size
                self._show(plan, changes)

        self.runner.submit_debounced(work)

    def _show(self, plan: Plan | None, changes: Changes | None) -> None:
        content: dict[str, Any] = {"theme": self.theme, "parent": "", "parents": [], "png": self._png}
        content["reason"] = "" if plan is not None else "Fix the errors in the recipe to see its figure."
        if self._png:
            content["width"], content["height"] = self._size
        if plan is not None:
            chosen = self._parents(changes)
            content["parents"] = [] if changes is None else list(changes.parents)
            content["parent"] = chosen[0] if chosen else ""
            content["label"] = f"Gradients of {plan.method.title} of {', '.join(plan.parents)}"
            content["code"] = write_code(plan, changes is not None, chosen, self.theme)
        self.view.show(content)

    def _follow_job(self, status: str) -> None:
        if status == DONE:  # something may have been measured
            self.redraw()


def write_code(plan: Plan, measured: bool, parents: list[str], theme: str) -> str:
    """A cell that makes the same figure."""
    lines = [plan.recipe.to_python("recipe").rstrip("\n"), "", "plan = nbm.plan(recipe)"]
    if measured:
        lines.append("changes = nbm.measure_merge(plan)")
        lines.append(f"figure = nbm.plots.plot_merge(plan, changes, parents={parents!r}, theme={theme!r})")
    else:
        lines.append(f"figure = plan.plot(theme={theme!r})")
    return "\n".join([*lines, "figure"]) + "\n"
