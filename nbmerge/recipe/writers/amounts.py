"""How much of each model: a tensor's numbers by the names that sentences use, and their course over the layers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Amounts = dict[str, Any]
"""Numbers and words by what they are: ``"% pirate"`` for a share, ``"pirate density"`` for any other."""


def name_amounts(
    method: str, models: Sequence[str], shared: Mapping[str, Any], each: Mapping[str, Sequence[Any]]
) -> Amounts:
    """A tensor's numbers by the names that sentences use.

    Parameters
    ----------
    method : str
    models : sequence of str
        Labels of the inputs, the base first in methods that have one.
    shared : mapping
        Parameters of the whole merge.
    each : mapping
        Per-input parameters, None for the base.
    """
    if method == "linear" and (shares := _linear_shares(models, shared, each.get("weight", ()))):
        return shares
    named: Amounts = {}
    if method in ("slerp", "nearswap") and "t" in shared:
        named[f"% {models[-1]}" if method == "slerp" else "t"] = shared["t"]
    unchanged = len(models) == 1 and method in ("linear", "passthrough")  # a factor of 1 needs no words
    for name, values in each.items():
        for model, value in zip(models, values, strict=True):
            if value is not None and not (unchanged and value == 1):
                named[f"{model} {name}"] = value
    return named


def _linear_shares(models: Sequence[str], shared: Mapping[str, Any], weights: Sequence[Any]) -> Amounts:
    """Weights as shares of the whole; of two models the second's only. Empty where they are not shares."""
    if len(models) < 2 or not all(isinstance(w, int | float) for w in weights):
        return {}
    total = sum(weights)
    if shared.get("normalize", True) and abs(total) > 1e-8:
        weights = [w / total for w in weights]
    if abs(sum(weights) - 1) >= 1e-9:
        return {}
    shares = [(f"% {model}", weight) for model, weight in zip(models, weights, strict=True)]
    return dict(shares[1:] if len(shares) == 2 else shares)


def describe_course(series: Sequence[Amounts]) -> str:
    """Amounts from the first layer to the last, in words; the series is not empty."""
    names = dict.fromkeys(n for a in series for n in a)
    return "; ".join(_describe_one(name, [a.get(name) for a in series]) for name in names)


def _describe_one(name: str, values: Sequence[Any]) -> str:
    share = name.startswith("% ")
    model = name[2:] if share else name

    def text(value: Any) -> str:
        if isinstance(value, bool) or not isinstance(value, int | float):
            return str(value)
        return f"{100 * value:.3g} %" if share else f"{value:.4g}"

    def labelled(value: Any) -> str:
        return f"{text(value)} {model}" if share else f"{model} {text(value)}"

    turns = find_turning_points(values)
    if len(turns) == 1:
        return labelled(turns[0])
    if len(turns) == 2:
        return f"{labelled(turns[0])}, {_direction(turns)} to {text(turns[1])}"
    return f"{labelled(turns[0])}, {', '.join(f'then {text(v)}' for v in turns[1:-1])}, finally {text(turns[-1])}"


def _direction(values: Sequence[Any]) -> str:
    numbers = all(isinstance(v, int | float) and not isinstance(v, bool) for v in values)
    return ("rising" if values[1] > values[0] else "falling") if numbers else "changing"


def find_turning_points(values: Sequence[Any]) -> list[Any]:
    """The values without those on the way between their neighbours."""
    turns: list[Any] = []
    for value in values:
        if turns and value == turns[-1]:
            continue
        if len(turns) > 1 and _is_between(turns[-2], turns[-1], value):
            turns.pop()
        turns.append(value)
    return turns


def _is_between(first: Any, middle: Any, last: Any) -> bool:
    if not all(isinstance(v, int | float) for v in (first, middle, last)):
        return False
    return first < middle < last or first > middle > last
