"""Shapes to start a curve from."""

from __future__ import annotations

import math
from collections.abc import Callable

from nbmerge.errors import RecipeError
from nbmerge.problems import Problem
from nbmerge.recipe.setting import interpolate, position
from nbmerge.widgets.curves.rounding import round_value


def _flat(i: int, depth: int) -> float:
    return 1.0


def _up(i: int, depth: int) -> float:
    return i / (depth - 1) if depth > 1 else 1.0


def _down(i: int, depth: int) -> float:
    return 1.0 - _up(i, depth)


def _tent(i: int, depth: int) -> float:
    # Counted in whole layers from the nearer end, so that the middle reaches the top at even depths too.
    return min(i, depth - 1 - i) / max((depth - 1) // 2, 1) if depth > 1 else 1.0


def _valley(i: int, depth: int) -> float:
    return 1.0 - _tent(i, depth)


def _smoothstep(i: int, depth: int) -> float:
    x = _up(i, depth)
    return x * x * (3 - 2 * x)


PRESETS: dict[str, tuple[Callable[[int, int], float], str]] = {
    "flat": (_flat, "every layer takes the second number"),
    "ramp up": (_up, "in a straight line from the first number to the second"),
    "ramp down": (_down, "in a straight line from the second number to the first"),
    "tent": (_tent, "the second number in the middle, the first at both ends"),
    "valley": (_valley, "the first number in the middle, the second at both ends"),
    "smoothstep": (_smoothstep, "from the first number to the second, steepest in the middle"),
}
"""Name to shape (layer, depth → 0 … 1) and its explanation."""


def draw_preset(name: str, depth: int, first: float = 0.0, second: float = 1.0) -> list[float]:
    """Values of a shape for `depth` layers, rounded to four digits."""
    shape = PRESETS[name][0]
    return [round(float(f"{first + (second - first) * shape(i, depth):.4g}"), 12) for i in range(depth)]


def parse_values(text: str, depth: int) -> list[float]:
    """Typed numbers for all layers: one each, or fewer that are joined by straight lines.

    Raises
    ------
    RecipeError
        When these are not numbers, or too many.
    """
    try:
        values = [float(v) for v in text.replace("[", " ").replace("]", " ").replace(",", " ").split()]
    except ValueError as error:
        raise RecipeError([Problem("error", (), f"'{text}' is not a list of numbers.", "Write 0, 0.5, 1.")]) from error
    if not 1 <= len(values) <= depth or not all(map(math.isfinite, values)):
        how = f"Write {depth}, or fewer to join by straight lines."
        raise RecipeError([Problem("error", (), f"{len(values)} numbers for {depth} layers.", how)])
    return [round_value(float(interpolate(values, position(i, depth)))) for i in range(depth)]
