"""An analysis that is computed on demand, in the background: started, followed, and kept in the state."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

from nbmerge.engine.planning import Plan
from nbmerge.errors import NbmergeError
from nbmerge.widgets.controls.progress_text import describe_progress
from nbmerge.widgets.panels.panel import Panel
from nbmerge.widgets.state.analyses import list_scores
from nbmerge.widgets.state.job import DONE, FAILED, RUNNING
from nbmerge.widgets.state.studio_state import StudioState


class AnalysisWork:
    """One kind of analysis.

    Parameters
    ----------
    panel : Panel
        Shows its errors, and ends its observation when it is closed.
    name : str
        Of the work, in the line of running work; the key of the result in `StudioState.analyses`.
    draw : callable
        Draws again; called when the work progresses and ends, in the thread that works.
    """

    def __init__(self, panel: Panel, name: str, draw: Callable[[], Any]):
        self.name = name
        self._panel, self._draw = panel, draw
        guard = panel.errors
        panel.watch(self.state.job, guard(lambda change: self._follow(change["new"])), "status")
        panel.watch(self.state.job, guard(lambda change: self._follow_progress()), "event")
        for target, what in ((self.state, "prompts"), (self.state.notes, "revision")):
            panel.watch(target, guard(lambda change: self._follow_scores()), what)
        self._scores_seen = list_scores(self.state)

    @property
    def state(self) -> StudioState:
        """The state that is analysed."""
        return self._panel.state

    @property
    def plan(self) -> Plan:
        """The present plan.

        Raises
        ------
        NbmergeError
            When there is none.
        """
        if self.state.plan is None:
            raise NbmergeError("Fix the errors in the recipe first.")
        return self.state.plan

    def start(self, compute: Callable[..., Any]) -> None:
        """Start ``compute(plan, progress=…, cancel=…)``, which returns the result.

        Raises
        ------
        BusyError
            While other long work is running.
        """
        plan = self.plan

        def work(progress: Any, cancel: Any) -> tuple[Any, Plan]:
            return compute(plan, progress=progress, cancel=cancel), plan

        self.state.job.start(self.name, work)

    def stop(self) -> None:
        """Stop it, if it is running."""
        if self.is_running:
            self.state.job.stop()

    @property
    def is_running(self) -> bool:
        """Whether it is being computed."""
        return self.state.job.running and self.state.job.name == self.name

    @property
    def progress(self) -> str:
        """How far it is, in words; empty while it is not running."""
        job = self.state.job
        if not self.is_running:
            return ""
        if job.status != RUNNING:
            return "Stopping …"
        return describe_progress(job.event) if job.event is not None else "Starting …"

    def find(self, plan: Plan) -> Any:
        """The latest result, None if there is none of these models."""
        return self.state.analyses.find(self.name, plan)

    def is_stale(self, plan: Plan) -> bool:
        """Whether the latest result is of another recipe."""
        return not self.state.analyses.is_current(self.name, plan)

    def _follow(self, status: str) -> None:
        job = self.state.job
        if job.name != self.name or self._panel.closed:
            return
        if status == DONE:
            self.state.analyses.note(self.name, *job.result)
        elif status == FAILED:
            self._panel.errors.show(job.error)
        self._draw()

    def _follow_scores(self) -> None:
        """Draw again if other scores can be chosen; what else is noted changes often."""
        scores = list_scores(self.state)
        if scores != self._scores_seen and not self._panel.closed:
            self._scores_seen = scores
            self._draw()

    def _follow_progress(self) -> None:
        if self.is_running and not self._panel.closed:
            self._draw()


def find_most(inside: Iterable[float], outside: Iterable[float] = ()) -> float:
    """The size of the largest number in the layers, which colours and marks are relative to; without one, of those outside.

    Embedding and head often have effects that are far larger than those of any layer.
    """
    for numbers in (inside, outside):
        sizes = [abs(number) for number in numbers if math.isfinite(number)]
        if any(sizes):
            return max(sizes)
    return 0.0
