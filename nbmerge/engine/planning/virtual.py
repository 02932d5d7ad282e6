"""Whether a plan can be evaluated from its parents' layers, without forming the weights."""

from __future__ import annotations

from nbmerge.checkpoints import StoredTensor
from nbmerge.engine.planning.plans import Plan
from nbmerge.methods import Combination


def find_obstacle(plan: Plan) -> str | None:
    """Why a plan cannot be evaluated from its parents' layers, None where nothing is known against it.

    What its architecture is made of is seen when it is built.
    """
    for tensor in plan.tensors:
        if len(tensor.shape) < 2:
            continue
        if not isinstance(tensor.how, Combination):
            return f"{tensor.name} is computed by {tensor.method} element by element, so it is not a weighted sum."
        if not all(type(i) is StoredTensor for i in tensor.inputs):
            return f"{tensor.name} is made from tensors that are computed themselves, not from stored ones."
    return None
