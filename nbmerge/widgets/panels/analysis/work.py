"""An analysis that is computed on demand, in the background, and kept in the state."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

from nbmerge.engine.planning import Plan
from nbmerge.widgets.panels.job_follower import JobFollower
from nbmerge.widgets.panels.panel import Panel
from nbmerge.widgets.state.analyses import list_scores


class AnalysisWork(JobFollower):
    """One kind of analysis.

    Parameters
    ----------
    panel
        See `JobFollower`.
    name : str
        Of the work; the key of the result in `StudioState.analyses`.
    """

    def __init__(self, panel: Panel, name: str):
        super().__init__(panel, name, lambda found: self.state.analyses.note(name, *found))
        for target, what in ((self.state, "prompts"), (self.state.notes, "revision")):
            panel.watch(target, panel.errors(lambda change: self._follow_scores()), what)
        self._scores_seen = list_scores(self.state)

    def compute(self, analyse: Callable[..., Any]) -> None:
        """Start ``analyse(plan, progress=…, cancel=…)``, which returns the result for the present plan.

        Raises
        ------
        NbmergeError
            When there is no plan, and while other long work is running.
        """
        plan = self.plan

        def work(progress: Any, cancel: Any) -> tuple[Any, Plan]:
            return analyse(plan, progress=progress, cancel=cancel), plan

        self.start(work)

    def find(self, plan: Plan) -> Any:
        """The latest result, None if there is none of these models."""
        return self.state.analyses.find(self.name, plan)

    def is_stale(self, plan: Plan) -> bool:
        """Whether the latest result is of another recipe."""
        return not self.state.analyses.is_current(self.name, plan)

    def _follow_scores(self) -> None:
        """Draw again if other scores can be chosen; what else is noted changes often."""
        scores = list_scores(self.state)
        if scores != self._scores_seen:
            self._scores_seen = scores
            self.panel.redraw()


def find_most(inside: Iterable[float], outside: Iterable[float] = ()) -> float:
    """The size of the largest number in the layers, which colours and marks are relative to; without one, of those outside.

    Embedding and head often have effects that are far larger than those of any layer.
    """
    for numbers in (inside, outside):
        sizes = [abs(number) for number in numbers if math.isfinite(number)]
        if any(sizes):
            return max(sizes)
    return 0.0
