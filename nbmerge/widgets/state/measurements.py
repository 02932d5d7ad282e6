"""How far the present merge is from each parent: predicted, measured or estimated. Without widgets."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from nbmerge.engine.planning import Plan

if TYPE_CHECKING:
    from nbmerge.statistics import Statistics
    from nbmerge.statistics.distances import Changes
    from nbmerge.widgets.state.incremental_statistics import IncrementalStatistics

Measured = tuple["Statistics | None", "Changes", Plan]


class Measurements:
    """What is known, for one plan after another.

    Attributes
    ----------
    changes : Changes or None
        The latest distances.
    plan : Plan or None
        What they are of.
    estimate : Estimate or None
        Where they are an estimate: with its precision.
    """

    def __init__(self) -> None:
        self.changes: Changes | None = None
        self.plan: Plan | None = None
        self.estimate: Any = None
        self._statistics: IncrementalStatistics | None = None
        self._checked: tuple[Plan | None, IncrementalStatistics | None, bool] = (None, None, False)
        self._lock = threading.RLock()  # a measurement ends in a thread of its own, while a slider may be moving

    def follows(self, plan: Plan) -> bool:
        """Whether a plan's distances are known exactly without reading weights, because its models were measured."""
        known = self._statistics
        if self._checked[0] is not plan or self._checked[1] is not known:
            self._checked = plan, known, known is not None and known.can_predict(plan)
        return self._checked[2]

    def is_current(self, plan: Plan) -> bool:
        """Whether `changes` are those of a plan."""
        return self.plan is not None and (self.plan is plan or self.plan.recipe == plan.recipe)

    def update(self, plan: Plan) -> None:
        """Predict the distances of a plan, if that is possible and not done yet."""
        with self._lock:
            if self._statistics is not None and self.plan is not plan and self.follows(plan):
                self._note(self._statistics.predict(plan), plan, None)

    def find_changes(self, plan: Plan) -> Changes | None:
        """The distances of a plan, None where they are not known."""
        with self._lock:
            self.update(plan)
            return self.changes if self.is_current(plan) else None

    def find_exact(self, plan: Plan) -> Statistics | Changes | None:
        """The statistics that a plan's distances follow from, else its measured distances; None where nothing is known."""
        with self._lock:
            if self._statistics is not None and self.follows(plan):
                return self._statistics.statistics
            return self.changes if self.is_current(plan) and self.estimate is None else None

    def prepare(self, plan: Plan) -> Callable[..., Measured]:
        """The work that measures a plan's models, or the merge itself where it cannot be predicted; for `Job.start`."""
        from nbmerge.statistics.plan_statistics import measure_plan

        return lambda progress, cancel: (*measure_plan(plan, progress=progress, cancel=cancel), plan)

    def take(self, measured: Measured) -> None:
        """Note what that work has returned."""
        statistics, changes, plan = measured
        with self._lock:
            if statistics is not None:
                from nbmerge.widgets.state.incremental_statistics import IncrementalStatistics

                self._statistics = IncrementalStatistics(statistics)
            self._note(changes, plan, None)

    def take_estimate(self, estimate: Any, plan: Plan) -> None:
        """Note an estimate."""
        with self._lock:
            self._note(estimate.changes, plan, estimate)

    def forget(self) -> None:
        """Free what was measured."""
        with self._lock:
            self._statistics = self.changes = self.plan = self.estimate = None
            self._checked = (None, None, False)

    def _note(self, changes: Changes, plan: Plan, estimate: Any) -> None:
        self.changes, self.plan, self.estimate = changes, plan, estimate
