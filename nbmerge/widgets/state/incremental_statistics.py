"""Statistics that follow a slider: only tensors whose numbers changed are predicted again."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from nbmerge.engine.planning import Plan, TensorPlan
from nbmerge.statistics import Statistics
from nbmerge.statistics.distances import Changes
from nbmerge.statistics.predicted_distances import predicted_sums


class IncrementalStatistics:
    """`Statistics.predict` for one plan after another; the same numbers, in a fraction of the time.

    Parameters
    ----------
    statistics : Statistics
    """

    def __init__(self, statistics: Statistics):
        self.statistics = statistics
        self._tensors: tuple[TensorPlan, ...] = ()
        self._parents: tuple[str, ...] = ()
        self._last: Changes | None = None
        self._rows: npt.NDArray[np.str_] = np.empty(0, str)

    def can_predict(self, plan: Plan) -> bool:
        """Whether `predict` has an answer; of a plan like the last one only the changed tensors are looked at."""
        changed = self._find_changed(plan)
        return self.statistics.can_predict(plan if changed is None else replace(plan, tensors=tuple(changed)))

    def predict(self, plan: Plan) -> Changes:
        """How far the merge is from each parent.

        Raises
        ------
        PredictionError
            As `Statistics.predict`.
        """
        changed = self._find_changed(plan)
        if self._last is None or changed is None:
            self._last = self.statistics.predict(plan)
            self._rows = self._last.frame["tensor"].to_numpy(dtype=str)
        elif changed:
            self._last = self._update(self._last, plan, changed)
        self._tensors, self._parents = plan.tensors, plan.parents
        return self._last

    def _find_changed(self, plan: Plan) -> list[TensorPlan] | None:
        """Tensors whose numbers differ from the last plan's; None where the plans differ in more than numbers."""
        if self._last is None or self._parents != plan.parents or len(plan.tensors) != len(self._tensors):
            return None
        pairs = [(new, old) for new, old in zip(plan.tensors, self._tensors, strict=True) if new is not old]
        if any(new.name != old.name or new.models != old.models for new, old in pairs):
            return None
        return [new for new, old in pairs if new != old]

    def _update(self, last: Changes, plan: Plan, changed: list[TensorPlan]) -> Changes:
        trace, sums = predicted_sums(self.statistics, replace(plan, tensors=tuple(changed)))
        return last.renewed(np.isin(self._rows, [t.name for t in trace.tensors]), sums)  # both in the plan's order
