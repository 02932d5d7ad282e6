"""Values of parameters by tensor: read from plans, and written to a recipe."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from nbmerge.analysis.slopes import numbers_of
from nbmerge.curves import Track, write_targets
from nbmerge.engine.planning import Plan, TensorPlan
from nbmerge.errors import ArgumentError
from nbmerge.recipe import Recipe

Key = tuple[str, "str | None"]
"""A parameter, and the label of the model that it belongs to; None for a parameter of the whole merge."""


def write_values(plan: Plan, values: Mapping[Key, Mapping[str, float]]) -> Recipe:
    """The recipe of a plan with other values for some tensors; what does not change stays as it was written.

    Parameters
    ----------
    plan : Plan
    values : mapping
        For each parameter and model, values by the names of the result's tensors.

    Raises
    ------
    RecipeError
        When filters cannot tell the tensors apart.
    """
    recipe, models = plan.recipe, {label: ref for ref, label in plan.labels.items()}
    for (name, label), targets in values.items():
        parameter = plan.method.parameter(name)
        assert parameter is not None  # one of the method's own
        track = Track(parameter, None if label is None else models[label], name)
        recipe = write_targets(recipe, plan, track, targets)  # parameters do not depend on each other
    return recipe


def read_values(plans: Sequence[Plan]) -> dict[Key, dict[str, tuple[float, ...]]]:
    """For each parameter and model, and each tensor, the values in several plans.

    Raises
    ------
    ArgumentError
        When the plans differ in more than numbers of parameters; the message names a tensor.
    """
    found: dict[Key, dict[str, tuple[float, ...]]] = defaultdict(dict)
    for tensors in zip(*(plan.tensors for plan in plans), strict=False):
        first = tensors[0]
        if any(_form(t) != _form(first) for t in tensors) or len(set(first.models)) < len(first.models):
            raise ArgumentError(f"The recipes differ in more than numbers of parameters: see {first.name}.")
        numbers = [numbers_of(t) for t in tensors]
        for key in numbers[0]:
            name, i = key
            found[name, None if i is None else first.models[i]][first.name] = tuple(own[key] for own in numbers)
    if any(len(plan.tensors) != len(plans[0].tensors) or plan.config != plans[0].config for plan in plans):
        raise ArgumentError("The recipes make models of different sizes.")
    return found


def _form(tensor: TensorPlan) -> Any:
    """All of a tensor's plan besides numbers."""
    numeric = {p.name for p in tensor.how.parameters if p.kind == "number"}
    rest = [{k: v for k, v in of.items() if k not in numeric} for of in (tensor.values.shared, tensor.values.each)]
    known = [key for key, _ in numbers_of(tensor).items()]
    return tensor.name, tensor.shape, tensor.dtype, tensor.method, tensor.inputs, tensor.models, rest, known
