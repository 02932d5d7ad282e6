"""The Statistics panel: how far the merge is from each parent, by layer and kind of tensor."""

from __future__ import annotations

import html
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import ipywidgets
from ipywidgets import Layout

from nbmerge.engine.planning import Plan, TensorPlan
from nbmerge.errors import NbmergeError
from nbmerge.methods import Combination
from nbmerge.widgets.controls.colours import model_colours
from nbmerge.widgets.controls.elements import field, row, set_visible, table, text
from nbmerge.widgets.controls.job_row import JobRow
from nbmerge.widgets.controls.statistics_view import ChangesView
from nbmerge.widgets.panels.panel import Panel
from nbmerge.widgets.state.debounce import DebouncedRunner
from nbmerge.widgets.state.incremental_statistics import IncrementalStatistics

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WHAT = [("distance", "distance"), ("cosine", "cosine")]


class StatisticsPanel(Panel):
    """A heat map of layers × kinds of tensor and curves over the layers, of the merge against each parent."""

    title = "Statistics"

    def _build(self) -> list[ipywidgets.Widget]:
        guard = self.errors
        self.what = field(ipywidgets.Dropdown, "Show", options=WHAT)
        self.parent = field(ipywidgets.Dropdown, "Heat map against")
        self.job = JobRow(self.state.job, "measuring", "Measure", "", self._work, self._measured, guard)
        self.runner = DebouncedRunner(guard.show, "estimate", self.state.activities)
        self.at_close(self._forget)
        self.at_close(self.runner.close)
        self.estimating = ipywidgets.Checkbox(
            description="Estimate from a sample of rows while the sliders move",
            indent=False,
            layout=Layout(width="auto"),
        )
        self.estimating.observe(guard(lambda change: self._estimate_now()), "value")
        self._estimate: Any = None
        self._plan: Plan | None = None
        self.note = text(kind="quiet")
        self.view = ChangesView(guard)
        self.outside = text(kind="table")
        self.drawn = ipywidgets.VBox([self.view, self.outside])
        self.pictures = ipywidgets.VBox([row(self.what, self.parent), self.drawn])
        for widget in (self.what, self.parent):
            widget.observe(guard(lambda change: self._redraw()), "value")
        self.watch(self.state, guard(lambda change: self._predict() if self.in_view else None), "plan")
        self._statistics: IncrementalStatistics | None = None
        self._changes: Any = None
        self._of = ""
        self._checked: tuple[Plan | None, IncrementalStatistics | None, bool] = (None, None, False)
        self._drawing = threading.RLock()  # a measurement ends in a thread of its own, while a slider may be moving
        return [self.job, self.estimating, self.note, self.pictures]

    @property
    def predicted(self) -> bool:
        """Whether the pictures can follow the sliders without reading weights."""
        plan, known = self.state.plan, self._statistics
        if self._checked[0] is not plan or self._checked[1] is not known:
            follows = plan is not None and known is not None and can_be_predicted(plan) and known.can_predict(plan)
            self._checked = plan, known, follows
        return self._checked[2]

    # --- state to screen ---

    def _refresh(self) -> None:
        self._predict()  # first, what is waited for
        plan = self.state.plan
        follows = plan is not None and (self.predicted or can_be_predicted(plan))
        self.job.start.description = "Measure the models" if follows else "Measure this merge"
        self.job.start.tooltip = (
            "Reads the models' weights once; then the pictures follow the sliders" if follows
            else "Computes the merge without writing it to disk"
        )  # fmt: skip
        self.job.allow(plan is not None and not self.predicted)
        set_visible(self.job.start, not self.predicted)
        set_visible(self.estimating, plan is not None and not follows)
        if not self.predicted:
            self._show_note()
            self._estimate_now()

    def _predict(self) -> None:
        """Show the statistics of the present plan, unless they are shown already."""
        with self._drawing:
            plan = self.state.plan
            if plan is not None and self._statistics is not None and self.predicted and self._plan is not plan:
                self._show(self._statistics.predict(plan), plan)

    def _estimate_now(self) -> None:
        """Estimate what cannot be predicted exactly, when the sliders rest."""
        plan = self.state.plan
        if not self.estimating.value or plan is None or can_be_predicted(plan):
            return
        if self._changes is not None and self._of == plan.recipe.fingerprint:  # measured, or estimated already
            return

        def work(cancel: threading.Event) -> None:
            from nbmerge.statistics import estimate

            result = estimate(plan, cancel=cancel)
            with self._drawing:
                if self.state.plan is plan:
                    self._show(result.changes, plan, result)

        self.runner.submit_debounced(work)

    def _show(self, changes: Any, plan: Plan, estimate: Any = None) -> None:
        self._changes, self._of, self._plan, self._estimate = changes, plan.recipe.fingerprint, plan, estimate
        options = list(changes.parents)
        if list(self.parent.options) != options:
            self._busy = True
            self.parent.options = options
            self.parent.value = options[0]
            self._busy = False
        self._draw()

    def _draw(self) -> None:
        what = self.what.value
        assert self._plan is not None  # set with what is drawn
        self.view.draw(self._changes, what, self.parent.value, model_colours(self._plan))
        self.outside.value = _render_outside(self._changes, what)
        self._show_note()

    def figures(self) -> list[Axes]:
        """The same pictures by matplotlib, to be saved or printed: ``figures()[0].figure.savefig("layers.pdf")``."""
        from nbmerge.plots import heatmap, layer_curves

        if self._changes is None or self._plan is None:
            raise NbmergeError("There are no statistics yet. Press Measure first.")
        changes, what, parent = self._changes, self.what.value, self.parent.value
        curves = layer_curves(changes.by_layer(what), what=what, colour=model_colours(self._plan))
        return [curves, heatmap(changes.grid(parent, what), what=what, parent=parent)]

    def _show_note(self) -> None:
        """Show whether the pictures belong to the present recipe."""
        plan, drawn = self.state.plan, self._changes is not None
        set_visible(self.pictures, drawn)
        current = drawn and plan is not None and self._of == plan.recipe.fingerprint
        (self.drawn.remove_class if current else self.drawn.add_class)("nbm-stale")
        if not drawn:
            self.note.value = "How far the merge is from each model, by layer. Measuring reads the weights once."
        elif not current:
            self.note.value = "<b>Out of date:</b> these pictures show an earlier recipe."
        elif self.predicted:
            self.note.value = "Exact for the present recipe; follows the sliders without reading weights."
        elif self._estimate is not None:
            self.note.value = _describe_estimate(self._estimate)
        else:
            self.note.value = "Measured on the present recipe."

    def _redraw(self) -> None:
        if not self._busy and self._changes is not None:
            with self._drawing:
                self._draw()

    # --- work ---

    def _work(self) -> Callable[..., Any]:
        from nbmerge.statistics import measure_merge, measure_models

        plan = self.state.plan
        if plan is None:
            raise NbmergeError("Fix the errors in the recipe first.")
        if not can_be_predicted(plan):
            return lambda progress, cancel: (None, measure_merge(plan, progress=progress, cancel=cancel), plan)
        base = plan.recipe.base_model
        first = [base] if base in plan.checkpoints else []
        models = {plan.checkpoints[ref].folders: ref for ref in (*first, *plan.checkpoints)}

        def work(progress: Any, cancel: Any) -> tuple[Any, Any, Plan]:
            statistics = measure_models(*models.values(), progress=progress, cancel=cancel)
            if statistics.can_predict(plan):
                return statistics, statistics.predict(plan), plan
            return statistics, measure_merge(plan, progress=progress, cancel=cancel), plan

        return work

    def _measured(self, result: tuple[Any, Any, Plan]) -> None:
        statistics, changes, plan = result
        with self._drawing:
            if self.closed:
                return
            self.state.measurements.take(result)  # for other panels
            if statistics is not None:
                self._statistics = IncrementalStatistics(statistics)
            self._show(changes, plan)
            self._refresh()

    def _forget(self) -> None:
        """Free what was measured."""
        self._statistics = self._changes = self._estimate = self._plan = None
        self._checked = (None, None, False)


def can_be_predicted(plan: Plan) -> bool:
    """Whether the merge can be predicted from statistics of its models: it is a sum of stored tensors, nothing else."""
    nested = any(isinstance(source, TensorPlan) for t in plan.tensors for source in t.inputs)
    return not nested and all(isinstance(t.how, Combination) for t in plan.tensors)


def _describe_estimate(estimate: Any) -> str:
    """A note on the precision of an estimate."""
    error = max((estimate.total(p)[1] for p in estimate.changes.parents), default=0.0)
    precision = f"whole models to ± {100 * error:.2g} % of norm, single layers less precisely"
    return f"<b>Estimated</b> from {estimate.share:.0%} of the weights ({precision}); follows the sliders. Press Measure for exact numbers."


def _render_outside(changes: Any, what: str) -> str:
    """A table of what is outside the layers, and of the whole model."""
    roles = changes.by_role(what)
    scale, unit = (100, " %") if what == "distance" else (1, "")
    digits = 2 if what == "distance" else 4

    def cell(number: float) -> str:
        return "" if number != number else f"{number * scale:.{digits}f}{unit}"

    head = [f"{what} {'from' if what == 'distance' else 'with'}", *map(str, roles.index), "whole model"]
    rows = [[html.escape(p), *map(cell, roles[p]), f"<b>{cell(changes.total(p, what))}</b>"] for p in roles.columns]
    return table(head, rows)
