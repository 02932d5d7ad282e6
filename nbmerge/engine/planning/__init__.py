"""Planning: from a recipe to the inputs, the method and the numbers of every output tensor, reading headers only.

Begin reading at `planner`, which has the steps in order; what they make is in `plans`.
"""

from nbmerge.engine.planning.incremental import plan_after, revised
from nbmerge.engine.planning.planner import examine, plan
from nbmerge.engine.planning.plans import Plan, TensorPlan

__all__ = ["Plan", "TensorPlan", "examine", "plan", "plan_after", "revised"]
