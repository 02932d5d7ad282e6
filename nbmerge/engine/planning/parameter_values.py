"""The values of parameters in a finished plan: tensor by tensor, and by layer.

Curves, figures and comparisons all read them here, so that they cannot disagree.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TypeAlias, TypeGuard

from nbmerge.checkpoints import GROUPS
from nbmerge.engine.planning.plans import Plan, TensorPlan
from nbmerge.methods import Parameter
from nbmerge.model_ref import ModelRef

ENDS = ("embedding", "final norm", "head")
"""Roles outside the layers whose values are shown."""

Part: TypeAlias = tuple["str | None", str]
"""Stack and kind of tensors in layers, such as (None, "mlp")."""
ByLayer: TypeAlias = dict[int, list[float]]
"""The values of the tensors in each layer."""
Numbers: TypeAlias = tuple[tuple[TensorPlan, float], ...]
"""Tensors with their values of one parameter."""


def read_numbers(plan: Plan, parameter: Parameter, model: ModelRef | None = None) -> Numbers:
    """A parameter's number for every tensor that the plan's method computes; looked up once for each plan.

    Parameters
    ----------
    plan : Plan
    parameter : Parameter
    model : ModelRef, optional
        The model that it belongs to; None for a parameter of the whole merge.
    """
    key = "numbers of a parameter", parameter.name, model
    if key not in plan.derived:
        plan.derived[key] = tuple(_look_up(plan, parameter.name, model))
    found: Numbers = plan.derived[key]
    return found


def _look_up(plan: Plan, name: str, model: ModelRef | None) -> Iterator[tuple[TensorPlan, float]]:
    label, method = plan.labels[model] if model is not None else None, plan.method.name
    places: dict[tuple[str, ...], int] = {}  # of the model among the inputs, which are the same for most tensors
    for tensor in plan.tensors:
        if tensor.method != method:
            continue
        if label is None:
            value = tensor.values.shared.get(name)
        else:
            models = tensor.models
            if models not in places:
                places[models] = models.index(label) if label in models else len(models)
            row, i = tensor.values.each.get(name, ()), places[models]
            value = row[i] if i < len(row) else None
        if is_number(value):
            yield tensor, float(value)


def read_layers(
    plan: Plan, parameter: Parameter, model: ModelRef | None = None
) -> tuple[dict[str, ByLayer], dict[str, float]]:
    """A parameter's numbers by group of tensors and layer, and those of `ENDS`.

    Of several stacks, the deepest is read; a gradient spreads over each in the same way.
    """
    numbers = read_numbers(plan, parameter, model)
    ends: dict[str, float] = {}
    for tensor, value in numbers:
        if tensor.layer is None and tensor.kind in ENDS:
            ends.setdefault(tensor.kind, value)
    parts = group_by_layer(numbers)
    groups = {g: parts[plan.stack, g] for g in GROUPS if (plan.stack, g) in parts}
    return groups, {role: ends[role] for role in ENDS if role in ends}


def group_by_layer(numbers: Iterable[tuple[TensorPlan, float]]) -> dict[Part, ByLayer]:
    """The values of tensors in layers, by stack and kind."""
    parts: dict[Part, ByLayer] = {}
    for tensor, value in numbers:
        if tensor.layer is not None:
            parts.setdefault((tensor.stack, tensor.kind), {}).setdefault(tensor.layer, []).append(value)
    return parts


def collect_values(plan: Plan) -> dict[tuple[str, str], dict[str, Any]]:
    """Every parameter's value, of any kind, for each tensor by name.

    Keys are the parameter and the reference of its model, which is empty for a parameter of the whole merge.
    """
    references = {label: str(ref) for ref, label in plan.labels.items()}
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for tensor in plan.tensors:
        for name, value in tensor.values.shared.items():
            found.setdefault((name, ""), {})[tensor.name] = value
        for name, row in tensor.values.each.items():
            for label, value in zip(tensor.models, row, strict=False):
                if value is not None:
                    found.setdefault((name, references.get(label, label)), {})[tensor.name] = value
    return found


def is_number(value: Any) -> TypeGuard[float]:
    """Whether a value can be drawn and averaged; words and switches cannot."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def mean_value(values: Sequence[float]) -> float:
    """The mean; of equal values that value, without rounding."""
    return values[0] if len(set(values)) == 1 else sum(values) / len(values)
