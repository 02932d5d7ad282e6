"""Tensors of one parent in the place of merged ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from os import PathLike

from nbmerge.engine.planning import Plan, TensorPlan
from nbmerge.engine.planning import plan as make_plan
from nbmerge.errors import ArgumentError, RecipeError
from nbmerge.model_ref import ModelRef

COPY = "passthrough"
"""The method that copies a tensor."""


def find_parent(plan: Plan, source: str | PathLike[str] | ModelRef) -> ModelRef:
    """A model by its path, its name in the recipe, or "base" for the base model.

    Raises
    ------
    ArgumentError
        When the recipe has no such model.
    """
    try:
        return plan.recipe.find(source)
    except RecipeError as error:
        if source == "base" and plan.recipe.base_model is not None:
            return plan.recipe.base_model
        names = ", ".join(sorted(plan.labels.values()))
        raise ArgumentError(f"'{source}' is not a model of this merge, whose models are {names}.") from error


def copies_of_parent(plan: Plan, parent: ModelRef) -> dict[str, TensorPlan]:
    """Each tensor of a merge as a copy of a parent's tensor.

    A tensor that the parent goes into is a copy of that input, brought to the result's vocabulary as for the merge; others are
    the tensors of the same name. Tensors that the parent does not have in this shape are missing.
    """
    label = plan.labels.get(parent)
    copies = {t.name: _copy_of_input(t, t.models.index(label)) for t in plan.tensors if label in t.models}
    if len(copies) < len(plan.tensors):
        copies = _copies_by_name(plan, parent) | copies
    return copies


def parent_plan(plan: Plan, parent: ModelRef) -> Plan | None:
    """A parent in the form of the merge: the same tensors, all of them copies.

    None if tensors are missing, or if its layers are not those of the same numbers in the merge.
    """
    copies = copies_of_parent(plan, parent)
    moved = any(t.layer is not None and t.inputs[0].name != t.name for t in copies.values())
    return None if moved or len(copies) < len(plan.tensors) else with_tensors(plan, copies)


def with_tensors(plan: Plan, tensors: Mapping[str, TensorPlan]) -> Plan:
    """The same plan with some tensors replaced, by their names."""
    return replace(plan, tensors=tuple(tensors.get(t.name, t) for t in plan.tensors))


def _copy_of_input(tensor: TensorPlan, i: int) -> TensorPlan:
    values = replace(tensor.values, shared={}, each={"scale": (1.0,)}, streams=tensor.values.streams[i : i + 1])
    return replace(
        tensor, method=COPY, inputs=(tensor.inputs[i],), models=(tensor.models[i],), values=values, decided={}
    )


def _copies_by_name(plan: Plan, parent: ModelRef) -> dict[str, TensorPlan]:
    alone = {t.name: t for t in make_plan({"merge_method": COPY, "models": [{"model": parent.plain()}]}).tensors}
    pairs = [(own, alone[own.name]) for own in plan.tensors if own.name in alone]
    return {own.name: replace(t, dtype=own.dtype, layer=own.layer) for own, t in pairs if t.shape == own.shape}
