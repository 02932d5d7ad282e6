"""What can be measured of a plan: its models, where that is enough for every merge of them, or else its merge."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbmerge.engine.planning import Plan, TensorPlan
from nbmerge.methods import Combination

if TYPE_CHECKING:
    from nbmerge.statistics.distances import Changes
    from nbmerge.statistics.statistics import Statistics
    from nbmerge.typing import ProgressLike, StopSignal


def is_predictable(plan: Plan) -> bool:
    """Whether a merge can be predicted from statistics of its models: it is a sum of stored tensors, nothing else."""
    nested = plan.once("nested merges", lambda: any(isinstance(i, TensorPlan) for t in plan.tensors for i in t.inputs))
    return not nested and all(isinstance(t.how, Combination) for t in plan.tensors)


def measure_plan(
    plan: Plan, *, progress: ProgressLike = None, cancel: StopSignal | None = None
) -> tuple[Statistics | None, Changes]:
    """Measure the models of a plan once for all their merges; where these do not follow from that, the merge itself.

    Parameters
    ----------
    plan : Plan
    progress, cancel
        As in `nbmerge.merge`.

    Returns
    -------
    (Statistics or None, Changes)
        Of the models, and how far the merge has moved.
    """
    from nbmerge.statistics.measured_distances import measure_merge
    from nbmerge.statistics.survey import measure_models

    if not is_predictable(plan):
        return None, measure_merge(plan, progress=progress, cancel=cancel)
    base = plan.recipe.base_model
    first = [base] if base in plan.checkpoints else []
    models = {plan.checkpoints[ref].folders: ref for ref in (*first, *plan.checkpoints)}
    statistics = measure_models(*models.values(), progress=progress, cancel=cancel)
    if statistics.can_predict(plan):
        return statistics, statistics.predict(plan)
    return statistics, measure_merge(plan, progress=progress, cancel=cancel)
