"""The Python panel: the same merge as code, to copy into a cell or a program."""

from __future__ import annotations

import ipywidgets

from nbmerge.widgets.controls.python_code import write_code
from nbmerge.widgets.controls.view import View
from nbmerge.widgets.panels.panel import Panel
from nbmerge.widgets.panels.tracks.panel import explain_emptiness


class PythonView(View):
    """The code with a button that copies it."""

    script = "snippet"


class PythonPanel(Panel):
    """Python code that does the merge on screen without a Studio."""

    title = "Python"

    def _build(self) -> list[ipywidgets.Widget]:
        self.view = PythonView({}, self.errors)
        return [self.view]

    @property
    def code(self) -> str:
        """The code; empty until models are chosen."""
        return write_code(self.state.text) if self.state.recipe is not None else ""

    def _refresh(self) -> None:
        reason = "" if self.state.plan is not None else explain_emptiness(self.state)
        self.view.show({"code": self.code, "reason": reason})
