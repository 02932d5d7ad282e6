"""Long work that a panel starts, shows and stops: one name of those that the job of a state runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nbmerge.engine.planning import Plan
from nbmerge.errors import NbmergeError
from nbmerge.widgets.controls.progress_text import describe_progress
from nbmerge.widgets.panels.panel import Panel
from nbmerge.widgets.state.job import DONE, FAILED, RUNNING
from nbmerge.widgets.state.studio_state import StudioState


class JobFollower:
    """Work of one name.

    Parameters
    ----------
    panel : Panel
        Is drawn again, in the thread that works, whenever the work progresses and when it ends; shows its errors.
    name : str
        Of the work, in the line of running work.
    take : callable
        Takes the result before the panel is drawn.
    """

    def __init__(self, panel: Panel, name: str, take: Callable[[Any], Any]):
        self.name, self.panel = name, panel
        self._take = take
        guard = panel.errors
        panel.watch(self.state.job, guard(lambda change: self._follow(change["new"])), "status")
        panel.watch(self.state.job, guard(lambda change: self._follow_progress()), "event")

    @property
    def state(self) -> StudioState:
        """The state whose job runs the work."""
        return self.panel.state

    @property
    def plan(self) -> Plan:
        """The present plan.

        Raises
        ------
        NbmergeError
            When there is none.
        """
        plan: Plan | None = self.state.plan
        if plan is None:
            raise NbmergeError("Fix the errors in the recipe first.")
        return plan

    def start(self, work: Callable[..., Any]) -> None:
        """Start ``work(progress, cancel)``, which returns the result.

        Raises
        ------
        BusyError
            While other long work is running.
        """
        self.state.job.start(self.name, work)

    def stop(self) -> None:
        """Stop it, if it is running."""
        if self.is_running:
            self.state.job.stop()

    @property
    def is_running(self) -> bool:
        """Whether it is running."""
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

    def _follow(self, status: str) -> None:
        job = self.state.job
        if job.name != self.name or self.panel.closed:
            return
        if status == DONE:
            self._take(job.result)
        elif status == FAILED:
            self.panel.errors.show(job.error)
        self.panel.redraw()

    def _follow_progress(self) -> None:
        if self.is_running:
            self.panel.redraw()
