"""Knots: the points that a curve is drawn by. Straight lines join them, and outside of them the curve is flat.

They are what a recipe says: a number is one knot, a list such as ``[0, 0.5, 1]`` is three that are evenly spaced, and a
mapping ``{0: 0, 12: 0.8, 31: 0}`` is three at those layers. The functions here return changed copies, which
`nbmerge.curves.write_knots` writes back.

Examples
--------
>>> from nbmerge.curves.knots import add_knot, knots_to_value, move_knot, spread_knots
>>> knots = spread_knots([0, 0.5, 1], depth=32)
>>> [(k.layer, k.value) for k in knots]
[(0.0, 0.0), (15.5, 0.5), (31.0, 1.0)]
>>> knots_to_value(move_knot(knots, 1, 15.5, 0.7, depth=32), depth=32)  # moved up, so still a list
[0.0, 0.7, 1.0]
>>> knots_to_value(move_knot(knots, 1, 12, 0.7, depth=32), depth=32)
{0: 0.0, 12: 0.7, 31: 1.0}
>>> knots_to_value(add_knot(spread_knots([0.3], depth=32), 12, 0.8, depth=32), depth=32)
{0: 0.3, 12: 0.8, 31: 0.3}
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from nbmerge.curves.rounding import round_value
from nbmerge.recipe.layer_values import LayerValues, interpolate_points

CLOSE = 1e-9
"""Layers that differ by less are the same."""


@dataclass(frozen=True, order=True)
class Knot:
    """A point of a curve.

    Parameters
    ----------
    layer : float
        0 to depth - 1; knots of a list may lie between two layers.
    value : float
    """

    layer: float
    value: float


Knots = tuple[Knot, ...]


def spread_knots(values: Sequence[float], depth: int) -> Knots:
    """The knots of a gradient list: evenly spaced from the first layer to the last, a single one in the middle."""
    if len(values) == 1:
        return (Knot((depth - 1) / 2, float(values[0])),)
    return tuple(Knot(_whole(i * (depth - 1) / (len(values) - 1)), float(v)) for i, v in enumerate(values))


def knots_of_value(value: Any, depth: int) -> Knots:
    """The knots of what a rule gives: a number, a tuple of numbers or `LayerValues`."""
    if isinstance(value, LayerValues):
        return tuple(Knot(layer, float(v)) for layer, v in value.points)
    values = value if isinstance(value, list | tuple) else (value,)
    return spread_knots(values, depth) if depth > 1 else (Knot(0.0, float(values[-1])),)


def knots_to_value(knots: Sequence[Knot], depth: int) -> Any:
    """What a recipe says for these knots: a number, a list where they are evenly spaced, else a mapping of layers."""
    if len(knots) == 1:
        return round_value(knots[0].value)
    even = [i * (depth - 1) / (len(knots) - 1) for i in range(len(knots))]
    if all(abs(k.layer - x) < CLOSE for k, x in zip(knots, even, strict=True)):
        return [round_value(k.value) for k in knots]
    return {_plain(k.layer): round_value(k.value) for k in knots}


def values_at_layers(knots: Sequence[Knot], depth: int) -> list[float]:
    """The value of each layer."""
    return [value_at(knots, i) for i in range(depth)]


def value_at(knots: Sequence[Knot], layer: float) -> float:
    """The value at one layer, which may lie between two."""
    return float(interpolate_points([(k.layer, k.value) for k in knots], layer))


def move_knot(knots: Sequence[Knot], index: int, layer: float, value: float, depth: int) -> Knots:
    """Move one knot. It goes to whole layers unless it stays at its own, and never past its neighbours."""
    old = knots[index]
    if len(knots) == 1:
        return (Knot(old.layer, round_value(value)),)
    new = old.layer if abs(layer - old.layer) < 0.5 else float(round(layer))
    low = knots[index - 1].layer + 1 if index else 0.0
    high = knots[index + 1].layer - 1 if index + 1 < len(knots) else depth - 1.0
    if not low <= new <= high:
        inside = min(max(new, float(-(-low // 1))), float(high // 1))
        new = inside if low <= inside <= high else old.layer
    return (*knots[:index], Knot(new, round_value(value)), *knots[index + 1 :])


def add_knot(knots: Sequence[Knot], layer: float, value: float, depth: int) -> Knots:
    """Add a knot at a whole layer, or move the one that is there. A flat curve gets knots at both of its ends as well."""
    new = Knot(float(min(max(round(layer), 0), depth - 1)), round_value(value))
    if len(knots) == 1:
        ends = dict.fromkeys((0.0, depth - 1.0))
        knots = [Knot(x, knots[0].value) for x in ends]
    return tuple(sorted([*(k for k in knots if abs(k.layer - new.layer) > CLOSE), new]))


def remove_knot(knots: Sequence[Knot], index: int) -> Knots:
    """Remove a knot; the last one stays."""
    return tuple(knots) if len(knots) == 1 else (*knots[:index], *knots[index + 1 :])


def map_knots(knots: Sequence[Knot], change: Callable[[float], float]) -> Knots:
    """Change the value of every knot, such as ``lambda value: value * 0.5``."""
    return tuple(Knot(k.layer, round_value(change(k.value))) for k in knots)


def _whole(layer: float) -> float:
    return float(round(layer)) if abs(layer - round(layer)) < CLOSE else layer


def _plain(layer: float) -> int | float:
    return int(layer) if float(layer).is_integer() else layer
