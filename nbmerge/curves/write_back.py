"""Curves written back to a recipe: what changes is changed, and the rest stays as it was written.

Lists stay lists and filters stay filters wherever that still says what is meant; see `rewrite_rules`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from nbmerge.curves.cells import Cell, Targets, find_cells, find_targets
from nbmerge.curves.deciding import Part, list_parts
from nbmerge.curves.knots import Knot, knots_to_value, value_at, values_at_layers
from nbmerge.curves.read_back import read_knots
from nbmerge.curves.rounding import round_value
from nbmerge.curves.rules import Span, rewrite_from_scratch, rewrite_rules
from nbmerge.curves.tracks import Curve, Track, read_curve
from nbmerge.engine.planning import Plan
from nbmerge.errors import RecipeError
from nbmerge.problems import Problem
from nbmerge.recipe import ModelRef, Recipe, Setting, Slice, Source
from nbmerge.recipe.layer_values import LayerValues
from nbmerge.recipe.parts import Module, plain
from nbmerge.recipe.sections import rewrite_parts
from nbmerge.recipe.setting import Value


def write_curve(recipe: Recipe, plan: Plan, track: Track, drawn: Curve) -> Recipe:
    """The recipe with one track set to a curve.

    Parameters
    ----------
    recipe : Recipe
    plan : Plan
        Of that recipe; gives the layers of each slice and the tensors' names.
    track : Track
    drawn : Curve
        Made from what `read_curve` returned, with `Curve.with_some` and `Curve.with_end`.
    """
    return write_targets(recipe, plan, track, find_targets(plan, track, read_curve(plan, track), drawn))


def write_knots(
    recipe: Recipe,
    plan: Plan,
    track: Track,
    knots: Sequence[Knot],
    group: str | None = None,
    alone: Sequence[Knot] = (),
) -> Recipe:
    """The recipe with one track drawn by knots: ``[0, 0.5, 1]`` where they are evenly spaced, else a mapping of layers.

    Parameters
    ----------
    recipe : Recipe
    plan : Plan
        Of that recipe.
    track : Track
    knots : sequence of Knot
        Over all layers of the result.
    group : str, optional
        A group of `nbmerge.checkpoints.GROUPS`; default all of them.
    alone : sequence of Knot, optional
        Layers with values of their own beside the curve: `Line.alone`, to keep them.

    Notes
    -----
    Where the tensors of a layer have different values, knots are means. Those that stay leave their tensors as they are.
    """
    if (moved := _find_moved(plan, track, knots, group)) is not None:
        return write_layers(recipe, plan, track, moved, group)
    before = read_curve(plan, track)
    values = dict(enumerate(values_at_layers(knots, before.depth))) | {int(k.layer): k.value for k in alone}
    targets = find_targets(plan, track, before, before.with_some(group, values), group, values)
    return write_targets(recipe, plan, track, targets, knots)


def _find_moved(plan: Plan, track: Track, knots: Sequence[Knot], group: str | None) -> dict[int, float] | None:
    """The layers of other values, where knots are means over the tensors of each layer and no other knots were drawn."""
    if any(b.layer - a.layer > 1 for a, b in pairwise(knots)) and len(plan.piece_depths) == 1:
        return None  # a curve with fewer knots than layers
    line = read_knots(plan, track, group)
    if line.exact or [k.layer for k in knots] != [k.layer for k in line.knots]:
        return None
    pairs = zip(knots, line.knots, strict=True)
    return {int(k.layer): k.value for k, old in pairs if round_value(k.value) != round_value(old.value)}


def write_layers(
    recipe: Recipe, plan: Plan, track: Track, values: Mapping[int, float], group: str | None = None
) -> Recipe:
    """The recipe with other values for some layers of one track.

    Parameters
    ----------
    recipe : Recipe
    plan : Plan
        Of that recipe.
    track : Track
    values : mapping of int to float
        By layer of the result.
    group : str, optional
        A group of `nbmerge.checkpoints.GROUPS`; default all of them.
    """
    return write_curve(recipe, plan, track, read_curve(plan, track).with_some(group, values))


def write_targets(
    recipe: Recipe, plan: Plan, track: Track, targets: Targets, knots: Sequence[Knot] | None = None
) -> Recipe:
    """The recipe with other values for some tensors of a track.

    Parameters
    ----------
    recipe : Recipe
    plan : Plan
        Of that recipe.
    track : Track
    targets : mapping of str to float
        Values by the names of the result's tensors; all others keep theirs.
    knots : sequence of Knot, optional
        How the values of all layers were drawn.

    Raises
    ------
    RecipeError
        When filters cannot tell the tensors apart.
    """
    slices = find_cells(plan, track, targets)
    # With `models`, all stacks share one setting; one of another depth may not have the layers that it names.
    mappings = recipe.modules is not None or len(set(plan.depths.values())) == 1
    settings: dict[int, Any] = {}
    for part in list_parts(recipe, plan, track):
        cells = slices[part.number]
        if any(c.asked for c in cells):
            hint = _cut_knots(knots, part.start, part.depth) if knots else None
            hint = hint if mappings or not isinstance(hint, LayerValues) else None
            settings[part.number] = _write_setting(part, track.parameter.name, cells, Span(part.depth, mappings, hint))
    return _with_settings(recipe, settings, track.parameter.name, track.model)


def _cut_knots(knots: Sequence[Knot], start: int, depth: int) -> Value | None:
    """The knots of one slice as a rule's value; None for a slice without layers."""
    if depth == 0:
        return None
    end = start + depth - 1
    inside = [Knot(k.layer - start, k.value) for k in knots if start <= k.layer <= end]
    if len(knots) > 1 and (len(inside) < len(knots)):
        edges = [Knot(float(i), value_at(knots, start + i)) for i in sorted({0, depth - 1})]
        have = {k.layer for k in inside}
        inside = sorted([*inside, *(e for e in edges if e.layer not in have)])
    shown = inside or [Knot(0.0, value_at(knots, start))]
    return Setting.of(knots_to_value(shown, depth)).rules[0].value


def _write_setting(part: Part, name: str, cells: Sequence[Cell], span: Span) -> Any:
    written = rewrite_rules(part.entries, cells, span) or rewrite_from_scratch(cells, span)
    if written is None:
        what = f"filters cannot tell apart the tensors that are to have different values of '{name}'."
        raise RecipeError([Problem("error", ("parameters", name), what, "Set all tensors of a layer together.")])
    far = [e.rule for e in part.entries if e.inherited]
    while len(written) > 1 and any(written[-1].rule is rule for rule in far):  # still holds from where it stands
        written.pop()
    return Setting(tuple(e.rule for e in written)).plain()


def _with_settings(recipe: Recipe, settings: Mapping[int, Any], name: str, model: ModelRef | None) -> Recipe:
    """The recipe with a parameter set in some of its slices, by their numbers."""
    if not settings:
        return recipe
    data = recipe.plain()
    number = 0
    for section in recipe.sections:
        part = data if section.module is None else data["modules"][section.module]
        for k, piece in enumerate(section.slices):
            if number in settings:
                place = part if section.whole else part["slices"][k]
                sources = part["models"] if section.whole else place["sources"]
                if model is None:
                    _set(place, name, settings[number])
                else:
                    for source, written in zip(piece.sources, sources, strict=True):
                        if source.model == model:
                            _set(written, name, settings[number])
            number += 1
    return Recipe.of(data)


def _set(part: dict[str, Any], name: str, setting: Any) -> None:
    part["parameters"] = {**part.get("parameters", {}), name: setting}


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


def _without(piece: Slice | Module | Source, name: str) -> dict[str, Any]:
    data = plain(piece)
    return data | {"parameters": {k: v for k, v in data.get("parameters", {}).items() if k != name}}
