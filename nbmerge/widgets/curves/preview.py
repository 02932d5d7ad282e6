"""What a plan will be when one curve has moved, before recipe and planner have said so.

Reading settings for every tensor takes the planner some ten milliseconds; a hand on a slider moves one number. So the
statistics are shown for the plan as it will be, at once, and again when the planner has made it: usually the very same.
"""

from __future__ import annotations

from dataclasses import replace

from nbmerge.engine.planning import Plan, TensorPlan
from nbmerge.widgets.curves.rounding import tidy
from nbmerge.widgets.curves.tracks import Curve, Track


def foreseen(plan: Plan, track: Track, before: Curve, after: Curve) -> Plan:
    """The plan with a track's numbers taken from another curve, wherever that differs.

    Parameters
    ----------
    before, after : Curve
        What the plan says now, and what it shall say.
    """
    moved = _moved(before, after)
    name, label = track.parameter.name, plan.labels.get(track.model)
    tensors = tuple(
        _renumbered(t, name, label, moved[place])
        if (place := (t.kind, t.layer)) in moved and t.method == plan.method.name
        else t
        for t in plan.tensors
    )
    return replace(plan, tensors=tensors)


def _moved(before: Curve, after: Curve) -> dict[tuple[str, int | None], float]:
    """Kind and layer, or role and None, of what differs, with its new value, as finely as a recipe writes it."""
    inside = {
        (group, layer): tidy(value)
        for group, values in after.layers.items()
        for layer, value in enumerate(values)
        if tidy(value) != tidy(before.layers[group][layer]) or after.spread[group][layer] != before.spread[group][layer]
    }
    ends = {(role, None): tidy(value) for role, value in after.ends.items() if tidy(value) != tidy(before.ends[role])}
    return inside | ends


def _renumbered(tensor: TensorPlan, name: str, label: str | None, value: float) -> TensorPlan:
    values = tensor.values
    if label is None:
        return replace(tensor, values=replace(values, shared={**values.shared, name: value}))
    row = values.each.get(name)
    if row is None or label not in tensor.models:
        return tensor
    i = tensor.models.index(label)
    return replace(tensor, values=replace(values, each={**values.each, name: (*row[:i], value, *row[i + 1 :])}))
