"""Formulas of tensors with their numbers, with names of models that are short enough to be read on screen."""

from __future__ import annotations

from collections.abc import Iterable

from nbmerge.engine.planning import Plan, TensorPlan
from nbmerge.widgets.state.names import tell_apart

LETTERS = 24


def write_formula(plan: Plan, tensor: TensorPlan) -> str:
    """The formula of a tensor: "W = base + 0.4·(math − base)"."""
    labels = list(plan.labels.values())
    short = dict(zip(labels, tell_apart(labels, LETTERS), strict=True))
    return plan.formula(tensor.name, short).text


def list_formulas(plan: Plan, tensors: Iterable[TensorPlan]) -> list[tuple[tuple[str, ...], str]]:
    """Each different formula of some tensors, after the kinds of tensors that have it."""
    kinds: dict[str, dict[str, None]] = {}
    for tensor in tensors:
        kinds.setdefault(write_formula(plan, tensor), {})[tensor.kind] = None
    return [(tuple(having), text) for text, having in kinds.items()]
