"""The sums that distances follow from: tensors with the same values in every recipe that the page can make are one row.

For weighted sums whose coefficients do not depend on the weights, the Gram matrices of such tensors are added up, so a page
has one for each layer and kind. Those of the arc of slerp do, so there it has one for each tensor.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from nbmerge.engine.planning import Plan, TensorPlan
from nbmerge.pages.places import Places
from nbmerge.statistics import Changes, Statistics
from nbmerge.statistics.distances import KINDS, SUMS
from nbmerge.statistics.plan_statistics import is_predictable
from nbmerge.statistics.predicted_distances import Trace, trace

FOLLOWED = ("linear", "task_arithmetic", "lines", "passthrough", "slerp", "nuslerp", "multislerp")
"""Methods whose coefficients the page computes itself, in ``js/src/page/coefficients.ts``."""
COPY = "passthrough"


@dataclass
class Rows:
    """Tensors by what their values and distances depend on.

    Attributes
    ----------
    rows : list of dict
        Layer, kind, number of tensors, parents and measured models of the inputs, places for each track, values that no
        track changes, and the number of a Gram matrix; -1 for tensors that are not compared.
    shared : list of dict
        Different values of the parameters of the whole merge.
    gram : list of ndarray
        Upper triangles of the Gram matrices over [base, δ₁ … δₙ].
    """

    rows: list[dict[str, Any]] = field(default_factory=list)
    shared: list[dict[str, Any]] = field(default_factory=list)
    gram: list[np.ndarray] = field(default_factory=list)


def explain_stillness(plan: Plan, has_tracks: bool, found: Trace | None) -> str:
    """Why distances cannot follow the curves in a page; empty where they can."""
    title = plan.method.title
    if not has_tracks:
        return f"{title} has no parameter that differs between layers."
    if plan.method.name not in FOLLOWED or not is_predictable(plan):
        return f"The distances of {title} do not follow from sums alone here."
    if any(len(set(t.models)) < len(t.models) for t in plan.tensors):
        return "Distances do not follow in a page where a model is merged with itself."
    if not all(_is_followed(t, plan) for t in plan.tensors):
        return "Distances do not follow in a page where some tensors are merged by another method."
    if found is None:
        return "The models were not measured before the page was made."
    return f"Some distances do not follow from sums: {next(iter(found.obstacles))}." if found.obstacles else ""


def _is_followed(tensor: TensorPlan, plan: Plan) -> bool:
    """Whether the page can compute a tensor's coefficients: of the plan's method as a whole, or copied."""
    if tensor.method != plan.method.name:
        return tensor.method == COPY and not tensor.values.shared
    flat: bool = tensor.values.shared.get("nuslerp_flatten", True)
    return flat


def trace_inputs(plan: Plan, statistics: Statistics | None) -> Trace | None:
    """The plan's tensors among those that were measured; None without statistics."""
    return None if statistics is None else trace(statistics, plan)


def gather_rows(plan: Plan, places: Places, statistics: Statistics | None, found: Trace | None) -> Rows:
    """Group the tensors of a plan.

    Parameters
    ----------
    plan : Plan
    places : Places
    statistics : Statistics or None
        With what `found` matched; None where distances do not follow.
    found : Trace or None
    """
    measured = _find_measured(statistics, found)
    each = plan.method
    alone = getattr(each, "needs_gram", False) and bool(measured)
    result, known = Rows(), dict[Any, int]()
    for tensor in plan.tensors:
        row = _describe(tensor, plan, places, result)
        own = measured.get(tensor.name)
        row["inputs"] = own[0] if own else []
        key = (tensor.name if alone else "", bool(own), *map(str, row.values()))
        if key not in known:
            known[key] = len(result.rows)
            row["gram"] = -1
            if own:
                row["gram"] = len(result.gram)
                result.gram.append(np.zeros_like(own[1]))
            result.rows.append(row | {"count": 0})
        group = result.rows[known[key]]
        group["count"] += 1
        if own:
            result.gram[group["gram"]] += own[1]
    return result


def _find_measured(statistics: Statistics | None, found: Trace | None) -> dict[str, tuple[list[int], np.ndarray]]:
    """For each compared tensor its models' places in the statistics, and its Gram matrix."""
    if statistics is None or found is None:
        return {}
    gram = statistics.tally.gram
    return {t.name: (models, gram[row]) for t, row, models in zip(found.tensors, found.rows, found.models, strict=True)}


def _describe(tensor: TensorPlan, plan: Plan, places: Places, result: Rows) -> dict[str, Any]:
    own = tensor.method == plan.method.name
    shared = dict(tensor.values.shared) if own else {}
    if shared not in result.shared:
        result.shared.append(shared)
    return {
        "layer": tensor.layer, "kind": KINDS.index(tensor.kind), "copied": not own,
        "parents": [plan.parents.index(m) for m in tensor.models],
        "places": places.of.get(tensor.name, []), "shared": result.shared.index(shared),
        "based": any(row and row[0] is None for row in tensor.values.each.values()),
        "position": tensor.values.position if own else 0.0,
    }  # fmt: skip


def encode_numbers(numbers: Sequence[np.ndarray] | np.ndarray) -> str:
    """Numbers as base64 of little-endian float64."""
    return base64.b64encode(np.ascontiguousarray(numbers, dtype="<f8").tobytes()).decode()


def encode_gram(rows: Rows) -> dict[str, Any] | None:
    """The upper triangles of all Gram matrices."""
    if not rows.gram:
        return None
    size = len(rows.gram[0])
    upper = np.triu_indices(size)
    return {"size": size, "data": encode_numbers([gram[upper] for gram in rows.gram])}


def encode_changes(changes: Changes) -> dict[str, Any]:
    """The sums of `Changes` by parent, layer (the last is outside) and kind, with the number of tensors in each."""
    frame = changes.frame
    layer = frame["layer"].to_numpy(dtype=float, na_value=changes.depth).astype(int)
    parent = np.array([changes.parents.index(p) for p in frame["parent"]], dtype=int)
    kind = np.array([KINDS.index(k) for k in frame["kind"]], dtype=int)
    cube = np.zeros((len(changes.parents), changes.depth + 1, len(KINDS), len(SUMS) + 1))
    np.add.at(cube, (parent, layer, kind), np.column_stack([frame[SUMS].to_numpy(), np.ones(len(frame))]))
    return {"parents": list(changes.parents), "depth": changes.depth, "data": encode_numbers(cube)}
