"""How the coefficients of a weighted sum move with the numbers of a recipe."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from nbmerge.engine.planning import TensorPlan
from nbmerge.methods import Combination, Values

STEP = 1e-5
"""Half the distance of the two values between which a slope is taken, relative to the value if that is above 1."""
Key = tuple[str, "int | None"]
"""A parameter and the input that it belongs to; None for a parameter of the whole merge."""


def numbers_of(tensor: TensorPlan) -> dict[Key, float]:
    """The numbers of a tensor's method; flags and words are left out."""
    method, values = tensor.how, tensor.values
    numeric = {p.name for p in method.parameters if p.kind == "number"}
    found: dict[Key, float] = {}
    for name in numeric & values.shared.keys():
        found[name, None] = values.shared[name]
    for name in numeric & values.each.keys():
        found |= {(name, i): value for i, value in enumerate(values.each[name])}
    return {key: float(value) for key, value in sorted(found.items(), key=str) if value is not None}


def slope_of(tensor: TensorPlan, key: Key, value: float, gram: Any) -> list[float]:
    """The derivative of every coefficient with respect to one number, by a central difference in float64.

    Parameters
    ----------
    tensor : TensorPlan
        Its method is a weighted sum.
    key : (str, int or None)
    value : float
        What the number is.
    gram : ndarray, optional
        See `Combination.coefficients`.
    """
    method, step = tensor.how, STEP * max(1.0, abs(value))
    assert isinstance(method, Combination)
    high, low = (method.coefficients(_changed(tensor.values, key, value + sign * step), gram) for sign in (1, -1))
    return [(a - b) / (2 * step) for a, b in zip(high, low, strict=True)]


def _changed(values: Values, key: Key, value: float) -> Values:
    name, i = key
    if i is None:
        return replace(values, shared={**values.shared, name: value})
    row = list(values.each[name])
    row[i] = value
    return replace(values, each={**values.each, name: tuple(row)})
