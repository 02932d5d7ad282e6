"""Whether a plan can be evaluated from its parents' layers, without computing merged weights."""

from __future__ import annotations

from nbmerge.checkpoints import StoredTensor
from nbmerge.engine.planning.plans import Plan
from nbmerge.methods import Combination


def find_obstacle(plan: Plan) -> str | None:
    """Why a plan cannot be evaluated from its parents' layers, None if no reason is known.

    Whether the modules of its architecture allow it is only known once the model is built.
    """
    if plan.recipe.fill_from is not None:
        return f"Tensors are filled in from {plan.recipe.fill_from.name}, under other names."
    for tensor in plan.tensors:
        if len(tensor.shape) < 2:
            continue
        if not isinstance(tensor.how, Combination):
            return f"{tensor.name} is computed by {tensor.method} element by element, so it is not a weighted sum."
        if not all(type(i) is StoredTensor for i in tensor.inputs):
            return f"{tensor.name} is made from tensors that are themselves computed, not stored."
    return None
