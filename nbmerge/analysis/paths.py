"""Recipes between recipes: every number of a parameter moves in a straight line from one recipe to the other."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from nbmerge.analysis.values import read_values, write_values
from nbmerge.curves.rounding import round_value
from nbmerge.engine.planning import plan as make_plan
from nbmerge.errors import ArgumentError, RecipeError
from nbmerge.recipe import Recipe

MOST = 1000
"""Longest gradient that two gradients of different lengths are written as."""
NUMBERS = "parameters"
"""The key below which numbers are the values of parameters; everywhere else they must agree."""

Mix = Sequence[float]
"""Weights of the recipes, which sum to 1."""


def blend_along(recipes: Sequence[Recipe], mixes: Sequence[Mix]) -> list[Recipe]:
    """Several blends of the same recipes: of their numbers as they are written, else of the values of each tensor.

    Parameters
    ----------
    recipes : sequence of Recipe
    mixes : sequence of sequence of float
        See `blend_recipes`.

    Raises
    ------
    ArgumentError
        When the recipes differ in more than the numbers of their parameters.
    """
    try:
        return [blend_recipes(recipes, mix) for mix in mixes]
    except ArgumentError as error:  # such as different filters for the same numbers
        try:
            return _blend_values(recipes, mixes)
        except (ArgumentError, RecipeError):
            raise error from None


def _blend_values(recipes: Sequence[Recipe], mixes: Sequence[Mix]) -> list[Recipe]:
    """Blends of the values of each tensor, written in the form of the first recipe, with six digits."""
    plans = [make_plan(recipe) for recipe in recipes]
    values = read_values(plans)
    blends = []
    for mix in mixes:
        alone = [recipe for recipe, weight in zip(recipes, mix, strict=True) if weight]
        targets = {
            key: {t: round_value(_mean(v, mix)) for t, v in own.items() if len(set(v)) > 1}
            for key, own in values.items()
        }
        blends.append(alone[0] if len(alone) == 1 else write_values(plans[0], {k: t for k, t in targets.items() if t}))
    return blends


def blend_recipes(recipes: Sequence[Recipe], mix: Mix) -> Recipe:
    """The recipe whose numbers are weighted means of those of several recipes.

    Gradients of different lengths are brought to one length that has the knots of all of them.

    Parameters
    ----------
    recipes : sequence of Recipe
    mix : sequence of float
        One weight per recipe; together 1. Weights below 0 and above 1 extend the path beyond the recipes.

    Raises
    ------
    ArgumentError
        When they differ in more than the numbers of their parameters; the message names the place.
    """
    alone = [recipe for recipe, weight in zip(recipes, mix, strict=True) if weight]
    if len(alone) == 1:
        return alone[0]
    return Recipe.of(_blend([recipe.plain() for recipe in recipes], mix, (), False))


def _blend(values: Sequence[Any], mix: Mix, place: tuple[str, ...], numeric: bool) -> Any:
    first = values[0]
    if all(isinstance(v, dict) for v in values):
        if any(v.keys() != first.keys() for v in values):
            missing = sorted(set().union(*map(set, values)) - set.intersection(*map(set, values)), key=str)
            raise _different((*place, str(missing[0])), "only one of them sets it")
        return {k: _blend([v[k] for v in values], mix, (*place, str(k)), numeric or k == NUMBERS) for k in first}
    if numeric and all(map(_is_gradient, values)):
        return _blend_numbers(values, mix, place)
    if all(isinstance(v, list | tuple) and len(v) == len(first) for v in values):
        pairs = enumerate(zip(*values, strict=True))
        return [_blend(v, mix, (*place, str(i)), numeric) for i, v in pairs]
    if any(v != first for v in values):
        raise _different(place, " and ".join(repr(v)[:60] for v in values))
    return first


def _blend_numbers(values: Sequence[Any], mix: Mix, place: tuple[str, ...]) -> Any:
    if not any(isinstance(v, list | tuple) for v in values):
        return _mean(values, mix)
    rows = [list(v) if isinstance(v, list | tuple) else [v] for v in values]
    gaps = math.lcm(*(max(1, len(row) - 1) for row in rows))
    if gaps >= MOST:
        raise _different(place, "gradients whose lengths have no common knots; write both with the same length")
    return [_mean([_at(row, i / gaps) for row in rows], mix) for i in range(gaps + 1)]


def _at(row: list[float], t: float) -> float:
    x = t * (len(row) - 1)
    i = min(int(x), max(len(row) - 2, 0))
    return row[i] if len(row) == 1 else row[i] + (x - i) * (row[i + 1] - row[i])


def _mean(values: Sequence[float], mix: Mix) -> float:
    if all(v == values[0] for v in values):
        return values[0]
    return math.fsum(weight * value for weight, value in zip(mix, values, strict=True))


def _is_gradient(value: Any) -> bool:
    return _is_number(value) or (isinstance(value, list | tuple) and bool(value) and all(map(_is_number, value)))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _different(place: tuple[str, ...], what: str) -> ArgumentError:
    return ArgumentError(
        f"There is no path between these recipes: they differ in {'.'.join(place) or 'their form'} ({what}). Only numbers of "
        "parameters may differ. To go from one model to another, merge both in each recipe, with weights 1 and 0, and 0 and 1."
    )
