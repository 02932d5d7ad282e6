"""How much of what: a tensor's numbers under the names that sentences use, and how they run over layers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Amounts = dict[str, Any]
"""Numbers and words by what they are: ``"% pirate"`` for a share, ``"pirate density"`` for any other."""


def amounts(
    method: str, models: Sequence[str], shared: Mapping[str, Any], each: Mapping[str, Sequence[Any]]
) -> Amounts:
    """A tensor's numbers.

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
    found: Amounts = {}
    weights = each.get("weight", ())
    if method in ("slerp", "nearswap") and "t" in shared:
        found[f"% {models[-1]}" if method == "slerp" else "t"] = shared["t"]
    elif method == "linear" and all(isinstance(w, int | float) for w in weights):
        total = sum(weights)
        if shared.get("normalize", True) and abs(total) > 1e-8:
            weights = [w / total for w in weights]
        if abs(sum(weights) - 1) < 1e-9 and len(models) > 1:
            shown = list(zip(models, weights, strict=True))
            return {f"% {m}": w for m, w in (shown[1:] if len(shown) == 2 else shown)}
    alone = len(models) == 1 and method in ("linear", "passthrough")  # taken as it is, which needs no words
    for name, values in each.items():
        for model, value in zip(models, values, strict=True):
            if value is not None and not (alone and value == 1):
                found[f"{model} {name}"] = value
    return found


def course(series: Sequence[Amounts]) -> str:
    """Amounts from the first layer to the last, in words; the series is not empty."""
    names = dict.fromkeys(n for a in series for n in a)
    return "; ".join(_one(name, [a.get(name) for a in series]) for name in names)


def _one(name: str, values: Sequence[Any]) -> str:
    share = name.startswith("% ")
    model = name[2:] if share else name

    def text(value: Any) -> str:
        if isinstance(value, bool) or not isinstance(value, int | float):
            return str(value)
        return f"{100 * value:.3g} %" if share else f"{value:.4g}"

    def said(value: Any) -> str:
        return f"{text(value)} {model}" if share else f"{model} {text(value)}"

    turns = find_turning_points(values)
    if len(turns) == 1:
        return said(turns[0])
    if len(turns) == 2:
        return f"{said(turns[0])}, {_way(turns)} to {text(turns[1])}"
    return f"{said(turns[0])}, {', '.join(f'then {text(v)}' for v in turns[1:-1])}, at last {text(turns[-1])}"


def _way(values: Sequence[Any]) -> str:
    numbers = all(isinstance(v, int | float) and not isinstance(v, bool) for v in values)
    return ("rising" if values[1] > values[0] else "falling") if numbers else "changing"


def find_turning_points(values: Sequence[Any]) -> list[Any]:
    """The values without those on the way between their neighbours."""
    kept: list[Any] = []
    for value in values:
        if kept and value == kept[-1]:
            continue
        if len(kept) > 1 and _between(kept[-2], kept[-1], value):
            kept.pop()
        kept.append(value)
    return kept


def _between(first: Any, middle: Any, last: Any) -> bool:
    if not all(isinstance(v, int | float) for v in (first, middle, last)):
        return False
    return first < middle < last or first > middle > last
