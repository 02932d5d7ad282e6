"""Presets: named shapes to start a curve from, as knots over any number of layers.

The shapes run from 0 to 1 and are drawn between any two numbers. Own ones are in `preset_file`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from nbmerge.curves.knots import Knot, Knots, map_knots, spread_knots, values_at_layers

Point = tuple[float, float]
"""A place from 0, the first layer, to 1, the last, and a value."""


@dataclass(frozen=True)
class Preset:
    """A named shape.

    Parameters
    ----------
    name : str
    help : str
        What it does, for a tooltip.
    points : tuple of (float, float)
        Its knots: places from 0 to 1 in ascending order, and values, usually from 0 to 1.
    own : bool
        Whether a user has made it.

    Examples
    --------
    >>> from nbmerge.curves import PRESETS, knots_to_value
    >>> knots_to_value(PRESETS["tent"].knots(32, first=0.2, second=0.8), 32)
    [0.2, 0.8, 0.2]
    >>> knots_to_value(PRESETS["wrap"].knots(32), 32)
    {0: 1.0, 6: 1.0, 7: 0.0, 24: 0.0, 25: 1.0, 31: 1.0}
    """

    name: str
    help: str
    points: tuple[Point, ...]
    own: bool = False

    def knots(self, depth: int, first: float = 0.0, second: float = 1.0) -> Knots:
        """Its knots for a number of layers: 0 becomes the first number, 1 the second."""
        knots = _place(self.points, depth)
        return map_knots(knots, lambda v: first + (second - first) * v)

    def values(self, depth: int, first: float = 0.0, second: float = 1.0) -> list[float]:
        """The value of each layer."""
        return values_at_layers(self.knots(depth, first, second), depth)

    @property
    def is_even(self) -> bool:
        """Whether its knots are evenly spaced from the first layer to the last, as those of a list are."""
        last = len(self.points) - 1
        return last == 0 or all(abs(x - i / last) < 1e-9 for i, (x, _) in enumerate(self.points))


def preset_of_knots(name: str, knots: Sequence[Knot], depth: int) -> Preset:
    """An own preset with the shape of a curve."""
    span = max(depth - 1, 1)
    points = tuple((round(k.layer / span, 6), k.value) for k in knots)
    return Preset(name, "your own", points if len(points) > 1 else ((0.0, points[0][1]),), own=True)


def _place(points: Sequence[Point], depth: int) -> Knots:
    """Points at the layers of a model: between layers where they are evenly spaced and not too many, else at layers."""
    last = len(points) - 1
    if last == 0:
        return spread_knots([points[0][1]], depth)
    even = all(abs(x - i / last) < 1e-9 for i, (x, _) in enumerate(points))
    if even and len(points) <= depth:
        return spread_knots([v for _, v in points], depth)
    layers: dict[int, float] = {}
    for x, value in points:
        layers.setdefault(round(x * (depth - 1)), value)
    return tuple(Knot(float(i), v) for i, v in layers.items())


def _even(*values: float) -> tuple[Point, ...]:
    return tuple((i / (len(values) - 1), v) for i, v in enumerate(values))


def _sample(shape: Callable[[float], float]) -> tuple[Point, ...]:
    """A smooth shape by five knots, which are few enough to be moved by hand."""
    return _even(*(round(shape(i / 4), 4) for i in range(5)))


def _steps(*edges: tuple[float, float]) -> tuple[Point, ...]:
    """Plateaus: each begins at a place and ends just before the next one begins."""
    ends = [*(x for x, _ in edges[1:]), 1.0 + _GAP]
    return tuple(p for (x, v), end in zip(edges, ends, strict=True) for p in ((x, v), (round(end - _GAP, 6), v)))


_GAP = 1 / 31
"""From one plateau to the next: one layer of 32."""


def _reverse(points: Sequence[Point]) -> tuple[Point, ...]:
    return tuple((x, round(1.0 - v, 6)) for x, v in points)


_SMOOTH = _sample(lambda x: x * x * (3 - 2 * x))
_COSINE = _sample(lambda x: (1 - math.cos(math.pi * x)) / 2)
_WRAP = _steps((0.0, 1.0), (7 / 31, 0.0), (25 / 31, 1.0))
_RING = _steps((0.0, 0.0), (6 / 31, 1.0), (12 / 31, 0.0), (20 / 31, 1.0), (26 / 31, 0.0))

PRESETS: dict[str, Preset] = {
    preset.name: preset
    for preset in (
        Preset("flat", "every layer takes the second number", ((0.0, 1.0),)),
        Preset("ramp up", "in a straight line from the first number to the second", _even(0, 1)),
        Preset("ramp down", "in a straight line from the second number to the first", _even(1, 0)),
        Preset("tent", "the second number in the middle, the first at both ends", _even(0, 1, 0)),
        Preset("valley", "the first number in the middle, the second at both ends", _even(1, 0, 1)),
        Preset("smoothstep up", "from the first number to the second, steepest in the middle", _SMOOTH),
        Preset("smoothstep down", "from the second number to the first, steepest in the middle", _reverse(_SMOOTH)),
        Preset("cosine up", "from the first number to the second along half a wave", _COSINE),
        Preset("cosine down", "from the second number to the first along half a wave", _reverse(_COSINE)),
        Preset("ring", "the second number in two bands around the middle", _RING),
        Preset("ring reversed", "the first number in two bands around the middle", _reverse(_RING)),
        Preset("wrap", "the second number in the first and last layers", _WRAP),
        Preset("wrap reversed", "the second number in the middle layers", _reverse(_WRAP)),
    )
}
"""The shapes that everyone has, by name."""
