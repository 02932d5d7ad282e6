"""Planning: from a recipe to the inputs, the method and the values of every output tensor, reading headers only.

Start reading at `planner`, which has the steps in order; `plans` has their result, from which `parameter_values` reads
the values of each parameter.
"""

from nbmerge.engine.planning.incremental import plan_after, revise_plan
from nbmerge.engine.planning.labels import number_repeats
from nbmerge.engine.planning.parameter_values import (
    ENDS,
    mean_value,
    read_layers,
    read_numbers,
)
from nbmerge.engine.planning.planner import examine, list_problems, plan, read_recipe
from nbmerge.engine.planning.plans import Plan, TensorPlan

__all__ = [
    "ENDS",
    "Plan",
    "TensorPlan",
    "examine",
    "list_problems",
    "mean_value",
    "number_repeats",
    "plan",
    "plan_after",
    "read_layers",
    "read_numbers",
    "read_recipe",
    "revise_plan",
]
