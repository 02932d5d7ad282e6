"""A change of one parameter in words: "weight of math: layers 8–15 MLP +0.2"."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from nbmerge.engine.differences.values import SMALLEST, ParameterChange, Row
from nbmerge.engine.planning.parameter_values import Part

KINDS = {"attention": "attention", "mlp": "MLP", "rest": "layer norms"}
MOST_RUNS = 3
"""More ranges of layers than this are described together."""


def describe_change(change: ParameterChange) -> str:
    """One sentence without its full stop."""
    if change.words:
        pairs = [f"{say(a)} → {say(b)}" for a, b in change.words if a != b]
        return (
            f"{change.title} {pairs[0]}" if len(change.words) == 1 else f"{change.title}: {pairs[0]} for some tensors"
        )
    before, after = _all_values(change, 0), _all_values(change, 1)
    if _is_constant(before) and _is_constant(after):
        return f"{change.title} {say(before[0])} → {say(after[0])}"
    parts = [*_describe_layers(change), *_describe_outside(change)]
    return f"{change.title}: {', '.join(parts or ['outside the layers now as in them'])}"


def say(value: Any) -> str:
    """A value as text: numbers with four digits and a true minus sign, switches as on and off."""
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, int | float):
        return f"{value:.4g}".replace("-", "−")
    return "none" if value is None else str(value)


def describe_row(values: Sequence[float]) -> str:
    """A line over the layers in a few words."""
    steps = [b - a for a, b in itertools.pairwise(values)]
    if _is_constant(values):
        return say(values[0])
    if all(s >= -SMALLEST for s in steps):
        return f"rising from {say(values[0])} to {say(values[-1])}"
    if all(s <= SMALLEST for s in steps):
        return f"falling from {say(values[0])} to {say(values[-1])}"
    return f"between {say(min(values))} and {say(max(values))}"


def _describe_layers(change: ParameterChange) -> Iterator[str]:
    """The layers that differ; kinds of tensors that differ in the same way together."""
    alike: dict[tuple[Any, ...], list[Part]] = {}
    for part, row in change.after.items():
        old = change.before[part]
        alike.setdefault((part[0], old, row), []).append(part)
    stacks = {stack for stack, _ in change.after}
    for (stack, old, new), parts in alike.items():
        kinds = [kind for s, kind in change.after if s == stack]
        words = "" if len(parts) == len(kinds) else " and ".join(KINDS.get(kind, kind) for _, kind in parts)
        place = f"{stack} " if stack and len(stacks) > 1 else ""
        for where, what in _describe_runs(old, new):
            yield " ".join(filter(None, [f"{place}{where}".strip(), words, what]))


def _describe_runs(old: Row, new: Row) -> Iterator[tuple[str, str]]:
    """Which layers, and by how much."""
    pairs = {i: (a, b) for i, (a, b) in enumerate(zip(old, new, strict=True)) if a is not None and b is not None}
    delta = {i: round(b - a, 6) for i, (a, b) in pairs.items() if abs(b - a) > SMALLEST}
    runs = _split_runs(delta)
    if len(runs) == 1 and len(delta) == len(pairs):
        yield "all layers", _signed(delta[runs[0][0]])
    elif len(runs) <= MOST_RUNS:
        yield from ((name_layers(run), _signed(delta[run[0]])) for run in runs)
    else:
        few = len(delta) <= len(pairs) / 2
        a, b = ([pairs[i][side] for i in (delta if few else pairs)] for side in (0, 1))
        yield name_layers(list(delta)) if few else "", f"{describe_row(a)} → {describe_row(b)}"


def _split_runs(delta: Mapping[int, float]) -> list[list[int]]:
    """Neighbouring layers that change by the same amount."""
    runs: list[list[int]] = []
    for i in delta:
        if runs and runs[-1][-1] == i - 1 and delta[i] == delta[i - 1]:
            runs[-1].append(i)
        else:
            runs.append([i])
    return runs


def name_layers(layers: Sequence[int]) -> str:
    """The range from the first to the last: "layers 8–15", or "layer 3"."""
    return f"layer {layers[0]}" if layers[0] == layers[-1] else f"layers {layers[0]}–{layers[-1]}"


def _describe_outside(change: ParameterChange) -> Iterator[str]:
    """What differs outside the layers, where it does not simply follow its neighbouring layer."""
    means = change.mean_rows
    for role, (old, new) in change.outside.items():
        edge = 0 if role == "embedding" else -1
        beside = (means[0][edge], means[1][edge]) if means[0] and means[1] else (None, None)
        if abs(new - old) > SMALLEST and (beside[1] is None or abs(new - beside[1]) > SMALLEST):
            yield f"{role} {_signed(new - old)}"


def _all_values(change: ParameterChange, side: int) -> list[float]:
    rows = (change.before, change.after)[side]
    inside = [v for row in rows.values() for v in row if v is not None]
    return [*inside, *(pair[side] for pair in change.outside.values())]


def _is_constant(values: Sequence[float]) -> bool:
    return max(values) - min(values) <= SMALLEST


def _signed(delta: float) -> str:
    return f"+{say(delta)}" if delta > 0 else say(delta)
