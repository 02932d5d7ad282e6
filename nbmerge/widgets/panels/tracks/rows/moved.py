"""How far the merge has moved: distance from each parent and cosine, by layer and kind of tensor."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from nbmerge.curves.columns import name_group
from nbmerge.engine.planning import Plan
from nbmerge.plots.measures import MEASURES
from nbmerge.statistics.plan_statistics import is_predictable
from nbmerge.widgets.controls.colours import model_colours
from nbmerge.widgets.controls.numbers import plain_number
from nbmerge.widgets.panels.job_follower import JobFollower
from nbmerge.widgets.panels.tracks.rows.row import Row
from nbmerge.widgets.state.debounce import DebouncedRunner

if TYPE_CHECKING:
    from nbmerge.statistics.distances import Changes

DIGITS = 9
"""Digits that the browser gets: cosines differ from 1 by less than float32 can tell."""


class MovedRow(Row):
    """Distances or cosines by layer: a line for each parent, and cells by kind of tensor against one of them.

    Statistics that were measured once follow the sliders, for methods that are sums; for others the merge itself is
    measured, or estimated when the sliders rest.

    Attributes
    ----------
    what : str
        "distance" or "cosine".
    against : str
        Label of the parent of the cells.
    estimating : bool
        Whether to estimate what cannot be predicted, whenever the sliders rest.
    """

    name = "moved"

    def __init__(self, panel: Any):
        super().__init__(panel)
        self.what, self.against, self.estimating = "distance", "", False
        self._measurements = panel.state.measurements
        self._runner = DebouncedRunner(panel.errors.show, "estimate", panel.state.activities)
        self._work = JobFollower(panel, "measure", self._measurements.take)

    def actions(self) -> Mapping[str, Callable[..., Any]]:
        """Measure, and choose what is shown."""
        return {"measure": self.measure, "stop": self._work.stop, "show": self.show, "estimate": self.estimate}

    def close(self) -> None:
        """Stop estimating."""
        self._runner.close()

    # --- state to screen ---

    def content(self, plan: Plan) -> Mapping[str, Any] | None:
        """Lines, cells, and what they are worth; nothing for a mixture, whose tensors are copies."""
        if plan.recipe.experts is not None:
            return None
        known = self._measurements
        known.update(plan)
        if self.estimating and not known.is_current(plan):
            self._estimate_later(plan)
        changes = known.changes
        content: dict[str, Any] = {
            "what": self.what, "note": self._describe(plan), "button": self._button(plan), "progress": self._progress,
            "estimating": None if known.follows(plan) or is_predictable(plan) else self.estimating,
            "stale": changes is not None and not known.is_current(plan),
        }  # fmt: skip
        if changes is not None and known.plan is not None and changes.depth == plan.depth:
            content |= self._picture(changes, known.plan)
        return content

    def _picture(self, changes: Changes, plan: Plan) -> dict[str, Any]:
        if self.against not in changes.parents:
            self.against = changes.parents[0]
        measure, colours = MEASURES[self.what], model_colours(plan)
        inside, outside = changes.by_layer(self.what).to_numpy().T, changes.by_role(self.what)
        grid = changes.grid(self.against, self.what)
        lines = np.array([
            self._row(layers, outside[parent].to_dict()) for parent, layers in zip(changes.parents, inside, strict=True)
        ])  # fmt: skip
        low, high = measure.limits(lines)
        cells = [
            {
                "label": name_group(plan, kind),
                "values": _plain(self._row(grid[kind].to_numpy(), {})),
            }  # outside has no kinds
            for kind in map(str, grid.columns)
        ]
        return {
            "parents": [{"label": p, "colour": colours.get(p, "")} for p in changes.parents], "against": self.against,
            "lines": [_plain(row) for row in lines], "cells": cells,
            "range": [low, high], "same": measure.same, "factor": measure.factor, "toward": measure.toward,
            "unit": " %" if self.what == "distance" else "", "rising": measure.rising,
            "totals": [plain_number(changes.total(p, self.what), DIGITS) for p in changes.parents],
        }  # fmt: skip

    def _row(self, inside: np.ndarray, outside: Mapping[Any, float]) -> list[float]:
        """One number per column, from those of the layers and of the roles outside."""
        return [outside.get(c.role, np.nan) if c.layer is None else inside[c.layer] for c in self.panel.columns]

    def _describe(self, plan: Plan) -> str:
        known = self._measurements
        if known.changes is None:
            return "How far the merge is from each model. Measuring reads the weights once."
        if not known.is_current(plan):
            return "Out of date: of an earlier recipe."
        if known.estimate is not None:
            return _describe_estimate(known.estimate)
        return "Exact; follows the sliders." if known.follows(plan) else "Measured on this recipe."

    def _button(self, plan: Plan) -> str:
        """Label of the button, empty where there is nothing to measure."""
        if self._measurements.follows(plan):
            return ""
        if is_predictable(plan):
            return "Measure the models"
        done = self._measurements.is_current(plan) and self._measurements.estimate is None
        return "" if done else "Measure this merge"

    @property
    def _progress(self) -> dict[str, Any] | None:
        return {"text": self._work.progress} if self._work.is_running else None

    # --- screen to state ---

    def show(self, what: str | None, against: str | None) -> None:
        """Choose distances or cosines, and the parent of the cells; None leaves what is chosen."""
        if what in MEASURES:
            self.what = what
        if against is not None:
            self.against = against
        self.panel.redraw()

    def measure(self) -> None:
        """Measure, in the background."""
        self._work.start(self._measurements.prepare(self._work.plan))

    def estimate(self, on: bool) -> None:
        """Whether to estimate what cannot be predicted, whenever the sliders rest."""
        self.estimating = on
        self.panel.redraw()

    def _estimate_later(self, plan: Plan) -> None:
        if is_predictable(plan):
            return

        def work(cancel: threading.Event) -> None:
            from nbmerge.statistics import estimate

            result = estimate(plan, cancel=cancel)
            if self.state.plan is plan:
                self._measurements.take_estimate(result, plan)
                self.panel.redraw()

        self._runner.submit_debounced(work)


def _plain(values: Any) -> list[float | None]:
    return [plain_number(float(v), DIGITS) for v in values]


def _describe_estimate(estimate: Any) -> str:
    error = max((estimate.total(p)[1] for p in estimate.changes.parents), default=0.0)
    precision = f"whole models to ± {100 * error:.2g} % of norm, single layers less precisely"
    return f"Estimated from {estimate.share:.0%} of the weights ({precision})."


ROW = MovedRow
