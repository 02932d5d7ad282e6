"""Curves written back to a recipe: one explicit setting, in its shortest form."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nbmerge.checkpoints import Layout
from nbmerge.engine.planning import Plan
from nbmerge.recipe import ModelRef, Recipe, Slice, Source
from nbmerge.recipe.parts import Module, plain
from nbmerge.recipe.sections import rewrite_parts
from nbmerge.recipe.setting import interpolate, position
from nbmerge.widgets.curves.rounding import round_value
from nbmerge.widgets.curves.tracks import Curve, Track


def write_curve(recipe: Recipe, plan: Plan, track: Track, drawn: Curve) -> Recipe:
    """The recipe with one track set to a curve, by one explicit setting and in its shortest form.

    Parameters
    ----------
    recipe : Recipe
    plan : Plan
        Of that recipe; gives the layers of each slice and the tensors' names.
    """
    name, layout = track.parameter.name, plan.checkpoints[track.model or plan.donor].layout
    if recipe.slices is None:
        recipe = _without_overrides(recipe, name) if track.model is None else recipe
        return recipe.with_parameter(name, _setting(drawn, layout, 0, plan.depth), track.model)
    slices, start = [], 0
    for piece, depth in zip(recipe.slices, plan.piece_depths, strict=True):
        setting = _setting(drawn, layout, start, start + depth)
        slices.append(
            _with(piece, name, setting) if track.model is None else _with_model(piece, name, setting, track.model)
        )
        start += depth
    return recipe.replace(slices=slices)


def _setting(drawn: Curve, layout: Layout, first: int, end: int) -> Any:
    """One setting for the layers [first, end), rules before the values for everything else."""
    parts = {g: tuple(round_value(v) for v in values[first:end]) for g, values in drawn.layers.items()}
    rest = parts.get("rest") or next(iter(parts.values()))
    rules = []
    for role, value in drawn.ends.items():
        value = round_value(value)
        outside = first > 0 if role == "embedding" else end < drawn.depth
        if not outside and value != (rest[0] if role == "embedding" else rest[-1]):
            rules += [{"filter": f, "value": value} for f in layout.filters(role) or layout.outside(role)]
    for group in ("attention", "mlp"):
        if group in parts and parts[group] != rest:
            rules += [{"filter": f, "value": find_shortest(parts[group])} for f in layout.filters(group)]
    return [*rules, {"value": find_shortest(rest)}] if rules else find_shortest(rest)


def find_shortest(values: Sequence[float]) -> float | list[float]:
    """The fewest gradient anchors that give these values: one number, a straight line's two, or all of them."""
    values = list(values)
    if len(set(values)) == 1:
        return values[0]
    line = [values[0], values[-1]]
    straight = all(abs(float(interpolate(line, position(i, len(values)))) - v) < 1e-9 for i, v in enumerate(values))
    return line if straight and len(values) > 2 else values


def set_everywhere(recipe: Recipe, name: str, value: Any, model: ModelRef | None = None) -> Recipe:
    """The recipe with a parameter at one value everywhere, also where a slice had its own."""
    recipe = _without_overrides(recipe, name) if model is None else recipe
    return recipe.with_parameter(name, value, model)


def _without_overrides(recipe: Recipe, name: str) -> Recipe:
    """The recipe without a parameter in slices and modules, where it would override that of the whole merge."""
    if recipe.slices is None and recipe.modules is None:
        return recipe

    def without(part: Slice | Module) -> dict[str, Any]:
        return _without(part, name)

    return recipe.replace(**rewrite_parts(recipe, piece=without, module=without))


def _with(part: Slice | Source, name: str, setting: Any) -> dict[str, Any]:
    data = plain(part)
    return data | {"parameters": {**data.get("parameters", {}), name: setting}}


def _with_model(piece: Slice, name: str, setting: Any, model: ModelRef) -> dict[str, Any]:
    sources = [_with(s, name, setting) if s.model == model else plain(s) for s in piece.sources]
    return plain(piece) | {"sources": sources}


def _without(piece: Slice | Module, name: str) -> dict[str, Any]:
    data = plain(piece)
    return data | {"parameters": {k: v for k, v in data.get("parameters", {}).items() if k != name}}
