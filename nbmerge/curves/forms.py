"""The shortest way to write values over layers: a number, a list, or a mapping of layers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from nbmerge.curves.rounding import round_value
from nbmerge.recipe.layer_values import LayerValues
from nbmerge.recipe.setting import Rule, Value, position

Targets = Mapping[int, float]
"""The value that each layer of a slice is to have; layers that are left out may have any."""
TOLERANCE = 1e-6
"""How far a value may be from what was asked for, in proportion: numbers are written with six digits."""
STRAIGHT = 1e-9
"""How far a point may lie beside a straight line."""
MOST_EVEN = 9
"""Most knots of a list that is looked for; longer ones are hardly shorter than a mapping."""


def find_form(targets: Targets, depth: int, mappings: bool = True) -> Value:
    """The form with the fewest numbers, as a rule's value.

    Parameters
    ----------
    targets : mapping of int to float
    depth : int
        Number of layers of the slice.
    mappings : bool
        Whether layers may be named; where stacks of different depths share a setting, they cannot.
    """
    if len(set(targets.values())) == 1:
        return round_value(next(iter(targets.values())))
    forms = [form for form in _list_forms(targets, depth, mappings) if gives(form, targets, depth)]
    return min(forms, key=count_numbers)


def gives(value: Value, targets: Targets, depth: int) -> bool:
    """Whether a rule's value is what the layers are to have."""
    rule = Rule(value)
    return all(is_close(rule.at(position(i, depth), depth), v) for i, v in targets.items())


def is_close(value: Any, wanted: float) -> bool:
    """Whether two numbers are the same up to the digits that are written."""
    return isinstance(value, int | float) and abs(value - wanted) <= TOLERANCE * max(1.0, abs(wanted))


def count_numbers(value: Value) -> int:
    """How many numbers it takes to write a rule's value."""
    if isinstance(value, LayerValues):
        keys = value.plain(lambda v: v)
        return sum(3 if isinstance(key, str) else 2 for key in keys)
    return len(value) if isinstance(value, tuple) else 1


def _list_forms(targets: Targets, depth: int, mappings: bool) -> Iterator[Value]:
    """Forms to choose from; of equally long ones, the first is taken."""
    layers = sorted(targets)
    for count in range(2, min(MOST_EVEN, depth) + 1):
        if (depth - 1) % (count - 1) == 0 and count < depth:
            at = [i * (depth - 1) // (count - 1) for i in range(count)]
            if all(i in targets for i in at):
                yield tuple(round_value(targets[i]) for i in at)
    yield tuple(round_value(_nearest(targets, layers, i)) for i in range(depth))
    if mappings:
        yield LayerValues(tuple((float(i), round_value(targets[i])) for i in _find_corners(targets, layers)))


def _nearest(targets: Targets, layers: Sequence[int], layer: int) -> float:
    """The value of a layer, or that of the nearest one that has any."""
    return targets[layer] if layer in targets else targets[min(layers, key=lambda i: abs(i - layer))]


def _find_corners(targets: Targets, layers: Sequence[int]) -> list[int]:
    """The layers at which straight lines through all values turn; flat ends need no knot."""
    corners = [layers[0]]
    start = 0
    for end in range(2, len(layers) + 1):
        if end == len(layers) or not _is_straight(targets, layers[start : end + 1]):
            corners.append(layers[end - 1])
            start = end - 1
    while len(corners) > 1 and targets[corners[-1]] == targets[corners[-2]]:
        corners.pop()
    while len(corners) > 1 and targets[corners[0]] == targets[corners[1]]:
        corners.pop(0)
    return corners


def _is_straight(targets: Targets, layers: Sequence[int]) -> bool:
    first, last = layers[0], layers[-1]
    start, rise = targets[first], (targets[last] - targets[first]) / (last - first)
    return all(abs(start + rise * (i - first) - targets[i]) < STRAIGHT for i in layers[1:-1])
