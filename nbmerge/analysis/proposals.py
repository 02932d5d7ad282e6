"""Recipes in which a part of a merge is that of one parent, written as values of the method's parameters."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from nbmerge.analysis.values import Key, write_values
from nbmerge.engine.planning import Plan, TensorPlan
from nbmerge.errors import ArgumentError
from nbmerge.methods import Combination, Parameter, Values
from nbmerge.model_ref import ModelRef
from nbmerge.recipe import Recipe

WEIGHT, SHARE = "weight", "t"
WHOLE = {"density": 1.0, "epsilon": 0.0, "gamma": 0.0, "lambda": 1.0, "alpha": 1.0, "beta": 0.0}
"""Values at which a method keeps all that a model has changed."""
ALONE = frozenset({
    "ties", "dare_linear", "dare_ties", "della", "della_linear", "breadcrumbs", "breadcrumbs_ties", "nuslerp",
})  # fmt: skip
"""Methods that are not weighted sums and whose result is one model where only that model has a weight."""
CLOSE = 1e-9
"""Largest difference of coefficients that are to be 0 and 1."""


def take_part(plan: Plan, parent: ModelRef, layer: int | None = None, kind: str | None = None) -> Recipe:
    """The recipe of a plan with one part taken from a parent.

    Parameters
    ----------
    plan : Plan
    parent : ModelRef
        A model of the recipe.
    layer : int, optional
        Default all layers, and what is outside of them.
    kind : str, optional
        Kind of the tensors: attention, mlp, rest; outside the layers embedding, final norm, head. Default all kinds.

    Raises
    ------
    ArgumentError
        When there are no such tensors, or no values of the method's parameters give this parent's tensors.
    RecipeError
        When filters cannot tell the tensors apart.
    """
    where = name_part(layer, kind)
    chosen = [t for t in plan.tensors if layer in (None, t.layer) and kind in (None, t.kind)]
    if not chosen:
        raise ArgumentError(f"The merge has no {where}.")
    label = plan.labels.get(parent, str(parent))
    targets: dict[Key, dict[str, float]] = defaultdict(dict)
    for tensor in chosen:
        values = find_values_of_parent(tensor, label)
        if values is None:
            raise ArgumentError(
                f"No values of {plan.method.title}'s parameters make {tensor.name} that of {label}, so {where} cannot be taken "
                "from it. Use slices, or a method that is a weighted sum."
            )
        for key, value in values.items():
            targets[key][tensor.name] = value
    return write_values(plan, targets)


def name_part(layer: int | None, kind: str | None) -> str:
    """A part in words: "layer 5, mlp"."""
    words = [f"layer {layer}"] if layer is not None else []
    return ", ".join([*words, *([kind] if kind is not None else [])]) or "tensors"


def find_values_of_parent(tensor: TensorPlan, label: str) -> dict[Key, float] | None:
    """Values of parameters that make a tensor that of one of its inputs, only those that change; None where there are none."""
    if tensor.models.count(label) != 1:
        return None
    i = tensor.models.index(label)
    values = _with_one_model(tensor, i)
    if not isinstance(tensor.how, Combination):
        return _differences(tensor, values) if tensor.method in ALONE else None
    found = _find_coefficients(tensor, values)
    return _differences(tensor, values) if np.allclose(found, np.eye(len(found))[i], rtol=0, atol=CLOSE) else None


def _with_one_model(tensor: TensorPlan, i: int) -> Values:
    """The values of a tensor with all weight on one of its inputs."""
    shared, each = dict(tensor.values.shared), dict(tensor.values.each)
    for parameter in _numbers(tensor):
        name = parameter.name
        if name in each:
            each[name] = tuple(_value_of_input(name, value, j == i) for j, value in enumerate(each[name]))
        elif name == SHARE and len(tensor.models) == 2:
            shared[name] = float(i)
        elif name in shared:
            shared[name] = WHOLE.get(name, shared[name])
    return replace(tensor.values, shared=shared, each=each)


def _value_of_input(name: str, value: float | None, is_chosen: bool) -> float | None:
    if value is None:  # the base of task vectors
        return None
    if name == WEIGHT:
        return 1.0 if is_chosen else 0.0
    return WHOLE.get(name, value) if is_chosen else value


def _find_coefficients(tensor: TensorPlan, values: Values) -> np.ndarray:
    """The coefficients of a weighted sum, for tensors in general position."""
    method = tensor.how
    assert isinstance(method, Combination)
    if method.fault(values):
        return np.full(len(tensor.models), np.nan)
    draws = np.random.default_rng(0).normal(size=(len(tensor.models), 64))
    return np.asarray(method.coefficients(values, draws @ draws.T if method.needs_gram else None), float)


def _differences(tensor: TensorPlan, values: Values) -> dict[Key, float]:
    """The numbers that are not those of the tensor."""
    found: dict[Key, float] = {}
    for parameter in _numbers(tensor):
        name = parameter.name
        if name in values.each:
            pairs = zip(tensor.models, values.each[name], tensor.values.each[name], strict=True)
            found |= {(name, model): new for model, new, old in pairs if new is not None and new != old}
        elif values.shared.get(name) != tensor.values.shared.get(name):
            found[name, None] = values.shared[name]
    return found


def _numbers(tensor: TensorPlan) -> Sequence[Parameter]:
    return [p for p in tensor.how.parameters if p.kind == "number"]
