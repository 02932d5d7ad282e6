"""The formulas of a layer with their numbers: in the line that reads it out, and one press away for every tensor."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from nbmerge.curves.columns import find_column, name_group
from nbmerge.engine.planning import Plan
from nbmerge.widgets.controls.view import Answer
from nbmerge.widgets.panels.formulas import list_formulas
from nbmerge.widgets.panels.tracks.rows.row import Row

MOST = 3
"""Most formulas that are read out; a layer may have one for each of its tensors."""


class FormulaRow(Row):
    """No row of its own: a part of the line below the picture. The browser asks for it when the pointer rests."""

    name = "formula"

    def actions(self) -> Mapping[str, Callable[..., Any]]:
        """Read a column's formulas, and open the list of its tensors."""
        return {"read": self.read, "open": self.open}

    def content(self, plan: Plan) -> Mapping[str, Any] | None:
        """Whether there is a list of tensors that can be opened."""
        return {"canOpen": self.panel.on_open is not None}

    def read(self, column: int) -> Answer | None:
        """The formulas of a column, as an answer to the browser window that asks."""
        plan = self.state.plan
        if plan is None or not 0 <= column < len(self.panel.columns):
            return None
        wanted = self.panel.columns[column]
        formulas = list_formulas(plan, (t for t in plan.tensors if find_column(plan, t) == wanted))
        texts = [
            f"{', '.join(name_group(plan, kind) for kind in kinds)}: {text}" if len(formulas) > 1 else text
            for kinds, text in formulas[:MOST]
        ]
        more = len(formulas) - MOST
        return Answer({"column": column, "formulas": [*texts, *([f"{more} more"] if more > 0 else [])]})

    def open(self, column: int) -> None:
        """Open the list of tensors at a column."""
        plan = self.state.plan
        if plan is None or self.panel.on_open is None or not 0 <= column < len(self.panel.columns):
            return
        wanted = self.panel.columns[column]
        names = [t.name for t in plan.tensors if find_column(plan, t) == wanted]
        self.panel.on_open(_find_shared_words(names))


def _find_shared_words(names: list[str]) -> str:
    """What the names of a column's tensors start with, as far as whole words go: "model.layers.12."."""
    first, last = min(names), max(names)
    same = next((i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), len(first))
    return first if first == last else first[: first.rfind(".", 0, same) + 1]


ROW = FormulaRow
