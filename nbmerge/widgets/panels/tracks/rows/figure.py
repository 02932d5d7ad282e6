"""The tracks as files: as matplotlib draws them, as a page whose curves can be moved, and as code for a cell."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from nbmerge.engine.planning import Plan
from nbmerge.errors import NbmergeError
from nbmerge.widgets.panels.analysis.drawing import FORMATS, IN_FILES
from nbmerge.widgets.panels.figure import write_code
from nbmerge.widgets.panels.job_follower import JobFollower
from nbmerge.widgets.panels.tracks.rows.row import Row
from nbmerge.widgets.state.page import PageMaker


class FigureRow(Row):
    """A menu in the toolbar, no row of its own; the Figure panel shows the same figure."""

    name = "figure"

    def __init__(self, panel: Any):
        super().__init__(panel)
        self._work = JobFollower(panel, "page", self._send_page)

    def actions(self) -> Mapping[str, Callable[..., Any]]:
        """Send a file or code to the browser window that asks for it."""
        return {"save": self.save, "save_page": self.save_page, "write_code": self.write_code}

    def content(self, plan: Plan) -> Mapping[str, Any] | None:
        """That there is a kernel which draws figures; the menu is always the same."""
        return {}

    def save(self, format: str, window: str) -> None:
        """Send the figure as a file."""
        from nbmerge.plots import plot_merge, to_bytes

        if format not in FORMATS:
            raise NbmergeError(f"Figures can be saved as {', '.join(FORMATS)}, not as '{format:.20}'.")
        plan = self._plan
        figure = plot_merge(plan, self.state.measurements.find_changes(plan))
        data = to_bytes(figure, format, IN_FILES)  # type: ignore[arg-type]  # checked above
        file = f"{plan.method.name}-gradients.{format}"
        self.panel.view.send({"file": file, "type": FORMATS[format], "window": window}, [data])

    def save_page(self, window: str) -> None:
        """Send a page in which the curves can be moved without a kernel; where its models are not measured yet, measure them."""
        maker = PageMaker(self.state, self.panel.outputs())
        self._work.start(lambda progress, cancel: (maker.make(progress, cancel), maker.plan.method.name, window))

    def _send_page(self, made: tuple[bytes, str, str]) -> None:
        page, name, window = made
        self.panel.view.send({"file": f"{name}.html", "type": "text/html", "window": window}, [page])

    def write_code(self, window: str) -> None:
        """Send Python code that makes the figure."""
        plan = self._plan
        measured = self.state.measurements.find_changes(plan) is not None
        self.panel.view.send({"code": write_code(plan, measured, [], "auto"), "window": window})

    @property
    def _plan(self) -> Plan:
        if self.state.plan is None:
            raise NbmergeError("Fix the errors in the recipe first.")
        return self.state.plan


ROW = FigureRow
