"""The Tracks panel: everything that differs from layer to layer, on one axis."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import ipywidgets

from nbmerge.curves.columns import Column, list_columns
from nbmerge.engine.planning import Plan
from nbmerge.recipe import Recipe
from nbmerge.widgets.controls.view import View
from nbmerge.widgets.panels.panel import Panel
from nbmerge.widgets.panels.tracks.rows import make_rows
from nbmerge.widgets.panels.tracks.rows.row import Row
from nbmerge.widgets.state.history import shares_models
from nbmerge.widgets.state.sampling_session import ModelOutput
from nbmerge.widgets.state.studio_state import StudioState

OUTDATED = "This is the last curve without errors. Fix the errors in the recipe to go on."


class TracksView(View):
    """The drawing of the Tracks panel; its script draws the rows whose parts are in the content."""

    script = "tracks"


class TracksPanel(Panel):
    """Parameters over the layers as curves and sliders, where each layer comes from, how far it has moved, and what each part does.

    Attributes
    ----------
    rows : dict of str to Row
        What the panel shows, from the top.
    on_open : callable or None
        Opens the list of tensors whose names contain some words; see `connect`.
    outputs : callable
        What models have generated, for a page that is exported; see `connect`.
    """

    title = "Tracks"

    def _build(self) -> list[ipywidgets.Widget]:
        self.on_open: Callable[[str], Any] | None = None
        self.outputs: Callable[[], Iterable[ModelOutput]] = tuple
        self._drawing = threading.RLock()  # work in other threads ends while a slider may be moving
        self._drawn: Plan | None = None
        self._last: tuple[Recipe, Mapping[str, Any]] | None = None  # that was valid, with what was drawn
        self._columns: tuple[Column, ...] = ()
        self.rows: dict[str, Row] = {row.name: row for row in make_rows(self)}
        actions = {
            f"{name}.{action}": call for name, row in self.rows.items() for action, call in row.actions().items()
        }
        self.view = TracksView(actions, self.errors)
        # Not `revision`, which is set when the rest is done: what follows a slider must not wait for that.
        self.watch(self.state, self.errors(lambda change: self._refresh_if_new()), "plan")
        for row in self.rows.values():
            self.at_close(row.close)
        self.at_close(self._forget)
        return [self.view]

    def _forget(self) -> None:
        """Free the plan: a closed panel may be held for long, in a notebook's Out."""
        self._drawn = None

    @property
    def columns(self) -> tuple[Column, ...]:
        """The columns of the present plan, or of the last one while the recipe has errors."""
        return self._columns

    def _refresh_if_new(self) -> None:
        if self.in_view and self.state.plan is not None and self.state.plan is not self._drawn:
            self._draw()

    def _refresh(self) -> None:
        if self.state.plan is None or self.state.plan is not self._drawn:
            self._draw()

    def connect(
        self, on_open: Callable[[str], Any], outputs: Callable[[], Iterable[ModelOutput]] | None = None
    ) -> None:
        """Offer a list of tensors: ``on_open(words)`` opens it at those whose names contain the words.

        ``outputs()`` are the texts of exported pages.
        """
        self.on_open = on_open
        self.outputs = outputs or self.outputs
        self.redraw()

    def _draw(self) -> None:
        with self._drawing:
            self._draw_plan(self.state.plan)

    def _draw_plan(self, plan: Plan | None) -> None:
        self._drawn = plan
        if plan is None and (last := self._find_last()) is not None:
            self.view.show({**last, "reason": OUTDATED, "outdated": True})
            return
        self._columns = list_columns(plan) if plan is not None else ()
        parts = {name: row.content(plan) for name, row in self.rows.items()} if plan is not None else {}
        content = {
            "columns": [{"name": c.name, "label": c.label, "layer": c.layer} for c in self._columns],
            "reason": "" if plan is not None else explain_emptiness(self.state), "outdated": False,
            "rows": {name: part for name, part in parts.items() if part is not None},
        }  # fmt: skip
        self._last = None if plan is None else (plan.recipe, content)
        self.view.show(content)

    def _find_last(self) -> Mapping[str, Any] | None:
        """What was drawn of the same models before the recipe had errors: it stays, so that nothing on the page moves."""
        recipe = self.state.recipe
        if self._last is None or recipe is None or not shares_models(self._last[0], recipe):
            return None
        return self._last[1]


def explain_emptiness(state: StudioState) -> str:
    """Why there is nothing to draw, and what to do."""
    if state.recipe is None:
        return "Choose models to see their layers."
    return "Fix the errors in the recipe to see its layers."
