"""The values of two plans, side by side, for every parameter that differs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from nbmerge.engine.planning.parameter_values import Part, collect_values, group_by_layer, is_number, mean_value
from nbmerge.engine.planning.plans import Plan, TensorPlan

SMALLEST = 1e-9
"""Differences below it are rounding."""

Row: TypeAlias = tuple["float | None", ...]
"""One value per layer; None where a layer has no such tensor."""


@dataclass(frozen=True)
class ParameterChange:
    """One parameter in which two plans differ.

    Parameters
    ----------
    parameter : str
    model : str or None
        Label of the model that it belongs to; None for a parameter of the whole merge.
    before, after : mapping of (stack, kind) to tuple of float or None
        The mean over the tensors of each kind, for every layer.
    outside : mapping of str to (float, float)
        The values of embedding, final norm, head and other tensors, before and after.
    words : tuple of (object, object)
        Values that are not numbers, before and after; empty for numbers.
    """

    parameter: str
    model: str | None
    before: Mapping[Part, Row]
    after: Mapping[Part, Row]
    outside: Mapping[str, tuple[float, float]]
    words: tuple[tuple[Any, Any], ...] = ()

    @property
    def title(self) -> str:
        """The parameter's name, with its model."""
        return self.parameter if self.model is None else f"{self.parameter} of {self.model}"

    @property
    def mean_rows(self) -> tuple[Row, Row]:
        """One line before and one after: the mean over all kinds of tensors in a layer, of the deepest stack."""
        return _mean_row(self.before), _mean_row(self.after)


def compare_values(before: Plan, after: Plan) -> list[ParameterChange]:
    """Every parameter, of the merge or of one model, whose value differs for a tensor that both plans have."""
    old, new = collect_values(before), collect_values(after)
    changes = []
    for key, values in new.items():
        if key not in old:
            continue
        common = [name for name in values if name in old[key]]
        if any(_differ(old[key][name], values[name]) for name in common):
            pairs = {name: (old[key][name], values[name]) for name in common}
            changes.append(_change(key, pairs, after))
    return changes


def collect_rows(plan: Plan) -> dict[tuple[str, str | None], Row]:
    """Each numeric parameter's line over the layers, by its name and its model's label: means over a layer's tensors."""
    labels, rows = _labels(plan), {}
    for key, values in collect_values(plan).items():
        if all(map(is_number, values.values())):
            tensors = [(t, (values[t.name],)) for t in plan.tensors if t.name in values]
            rows[key[0], labels.get(key[1], key[1]) or None] = _mean_row(_rows(tensors, 0, plan))
    return rows


def _change(key: tuple[str, str], pairs: Mapping[str, tuple[Any, Any]], plan: Plan) -> ParameterChange:
    model = _labels(plan).get(key[1], key[1]) or None
    if not all(is_number(v) for pair in pairs.values() for v in pair):
        return ParameterChange(key[0], model, {}, {}, {}, tuple(dict.fromkeys(pairs.values())))
    tensors = [(t, pairs[t.name]) for t in plan.tensors if t.name in pairs]
    outside: dict[str, tuple[float, float]] = {}
    for tensor, (old, new) in tensors:
        if tensor.layer is None and (tensor.kind not in outside or _differ(old, new)):
            outside[tensor.kind] = float(old), float(new)
    return ParameterChange(key[0], model, _rows(tensors, 0, plan), _rows(tensors, 1, plan), outside)


def _labels(plan: Plan) -> dict[str, str]:
    return {str(ref): label for ref, label in plan.labels.items()}


def _rows(tensors: Sequence[tuple[TensorPlan, tuple[Any, ...]]], side: int, plan: Plan) -> dict[Part, Row]:
    return {
        part: tuple(mean_value(layers[i]) if i in layers else None for i in range(plan.depths[part[0]]))
        for part, layers in group_by_layer((tensor, float(pair[side])) for tensor, pair in tensors).items()
    }


def _mean_row(rows: Mapping[Part, Row]) -> Row:
    deepest = max(map(len, rows.values()), default=0)
    columns = [[v for row in rows.values() if i < len(row) and (v := row[i]) is not None] for i in range(deepest)]
    return tuple(mean_value(column) if column else None for column in columns)


def _differ(a: Any, b: Any) -> bool:
    return abs(a - b) > SMALLEST if is_number(a) and is_number(b) else bool(a != b)
