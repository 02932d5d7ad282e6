"""Statistics that follow a slider: of the tensors, only those are predicted again that have other numbers now."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from nbmerge.engine.planning import Plan, TensorPlan
from nbmerge.statistics import Statistics
from nbmerge.statistics.distances import Changes
from nbmerge.statistics.predicted_distances import predicted_sums


class Following:
    """`Statistics.predict` for one plan after another; the same numbers, in a fraction of the time.

    Parameters
    ----------
    statistics : Statistics
    """

    def __init__(self, statistics: Statistics):
        self.statistics = statistics
        self._tensors: tuple[TensorPlan, ...] = ()
        self._last: Changes | None = None

    def predict(self, plan: Plan) -> Changes:
        """How far the merge is from each parent.

        Raises
        ------
        PredictionError
            As `Statistics.predict`.
        """
        changed = self._changed(plan)
        if changed is None:
            self._last = self.statistics.predict(plan)
            self._rows = self._last.frame["tensor"].to_numpy(dtype=str)
        elif changed:
            self._last = self._renewed(plan, changed)
        self._tensors = plan.tensors
        return self._last

    def _changed(self, plan: Plan) -> list[TensorPlan] | None:
        """Tensors whose numbers differ from the last plan's; None where more than numbers does."""
        if self._last is None or self._last.parents != plan.parents or len(plan.tensors) != len(self._tensors):
            return None
        pairs = [(new, old) for new, old in zip(plan.tensors, self._tensors, strict=True) if new is not old]
        if any(new.name != old.name or new.models != old.models for new, old in pairs):
            return None
        return [new for new, old in pairs if new != old]

    def _renewed(self, plan: Plan, changed: list[TensorPlan]) -> Changes:
        found, sums = predicted_sums(self.statistics, replace(plan, tensors=tuple(changed)))
        return self._last.renewed(
            np.isin(self._rows, [t.name for t in found.tensors]), sums
        )  # both in the plan's order
