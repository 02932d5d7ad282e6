"""The tracks as matplotlib draws them: as files, and as code for a cell."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from nbmerge.engine.planning import Plan
from nbmerge.errors import NbmergeError
from nbmerge.widgets.panels.analysis.drawing import FORMATS, IN_FILES
from nbmerge.widgets.panels.figure import write_code
from nbmerge.widgets.panels.tracks.rows.row import Row


class FigureRow(Row):
    """A menu in the toolbar, no row of its own; the Figure panel shows the same figure."""

    name = "figure"

    def actions(self) -> Mapping[str, Callable[..., Any]]:
        """Send a file or code to the browser window that asks for it."""
        return {"save": self.save, "write_code": self.write_code}

    def content(self, plan: Plan) -> Mapping[str, Any] | None:
        """Nothing: the menu is always the same."""
        return None

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
