"""Planning: from a recipe to the inputs, the method and the values of every output tensor, reading headers only.

Start reading at `planner`, which has the steps in order; `plans` has their result.
"""

from nbmerge.engine.planning.incremental import plan_after, revise_plan
from nbmerge.engine.planning.planner import examine, plan
from nbmerge.engine.planning.plans import Plan, TensorPlan
from nbmerge.engine.planning.reading import list_problems

__all__ = ["Plan", "TensorPlan", "examine", "list_problems", "plan", "plan_after", "revise_plan"]
