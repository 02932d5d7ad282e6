"""The stack: which layers of which models a result is made of, edited as the slices of a recipe.

Functions here take a recipe with the depths of its slices (`Plan.piece_depths`) and return a changed copy. A recipe of models
becomes one of slices with the first edit. A gradient belongs to a slice; where a slice is cut, each half keeps its layers' values.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from nbmerge.curves.forms import find_form
from nbmerge.errors import RecipeError
from nbmerge.methods import methods
from nbmerge.problems import Problem
from nbmerge.recipe import ModelRef, Recipe, Setting
from nbmerge.recipe.parts import plain
from nbmerge.recipe.setting import Rule, position

Slices = list[dict[str, Any]]


@dataclass(frozen=True)
class Layers:
    """A range of a model's layers.

    Parameters
    ----------
    model : ModelRef
    first, end : int
        The first layer and the one after the last.
    """

    model: ModelRef
    first: int
    end: int


@dataclass(frozen=True)
class Band:
    """A slice with its place in the result.

    Parameters
    ----------
    start, depth : int
        Its first layer in the result, and how many it has.
    sources : tuple of Layers
    """

    start: int
    depth: int
    sources: tuple[Layers, ...]


def can_edit(recipe: Recipe) -> bool:
    """Whether a recipe has one stack of layers that is made of slices, or could be."""
    return recipe.modules is None


def read_stack(recipe: Recipe, depths: Sequence[int]) -> tuple[Band, ...]:
    """The slices of a recipe with their places."""
    bands, start = [], 0
    for piece, depth in zip(recipe.pieces, depths, strict=True):
        sources = [Layers(s.model, *(s.layer_range or (0, depth))) for s in piece.sources]
        bands.append(Band(start, depth, tuple(sources)))
        start += depth
    return tuple(bands)


def split(recipe: Recipe, depths: Sequence[int], layer: int) -> Recipe:
    """Cut the slice that a layer of the result is in, in front of that layer."""
    band, index = _find(recipe, depths, layer)
    at = layer - band.start
    if at == 0:
        return recipe

    def change(slices: Slices) -> None:
        whole = slices[index]
        slices[index : index + 1] = [_cut(recipe, whole, band, *part) for part in ((0, at), (at, band.depth))]

    return _edit(recipe, depths, change)


def set_range(recipe: Recipe, depths: Sequence[int], index: int, first: int, end: int) -> Recipe:
    """Take other layers for a slice: those of its first source; further sources move and grow with it.

    Raises
    ------
    RecipeError
        For a range that contains no layer, or begins before the first.
    """
    band = _band(recipe, depths, index)
    by = first - band.sources[0].first
    if end <= first or min(s.first for s in band.sources) + by < 0:
        raise _error(f"the range {first} to {end - 1} has no layers.", "Layers are counted from 0.")

    def change(slices: Slices) -> None:
        for source, written in zip(band.sources, slices[index]["sources"], strict=True):
            written["layer_range"] = [source.first + by, source.first + by + end - first]

    return _edit(recipe, depths, change)


def set_model(recipe: Recipe, depths: Sequence[int], index: int, model: str) -> Recipe:
    """Take a slice of one source from another model."""
    if len(_band(recipe, depths, index).sources) != 1:
        raise _error("several models are merged in this range.", "Change them in the recipe.")

    def change(slices: Slices) -> None:
        slices[index]["sources"][0]["model"] = model

    return _edit(recipe, depths, change)


def move(recipe: Recipe, depths: Sequence[int], index: int, to: int) -> Recipe:
    """Move a slice in front of another; `to` is counted without it."""
    _band(recipe, depths, index)

    def change(slices: Slices) -> None:
        moved = slices.pop(index)
        slices.insert(max(0, min(to, len(slices))), moved)

    return _edit(recipe, depths, change)


def repeat(recipe: Recipe, depths: Sequence[int], index: int) -> Recipe:
    """Repeat a slice right after itself."""
    _band(recipe, depths, index)
    return _edit(recipe, depths, lambda slices: slices.insert(index + 1, slices[index]))


def remove(recipe: Recipe, depths: Sequence[int], index: int) -> Recipe:
    """Remove a slice.

    Raises
    ------
    RecipeError
        When it is the only one.
    """
    _band(recipe, depths, index)
    if len(depths) == 1:
        raise _error("the only range of layers cannot be removed.", "Insert another one first.")
    return _edit(recipe, depths, lambda slices: slices.pop(index))


def insert(recipe: Recipe, depths: Sequence[int], index: int, layers: Layers) -> Recipe:
    """Insert layers in front of a slice; at the end if there is none.

    Where the method cannot do with one model, the models of the neighbouring slice supply these layers together.
    """
    bands = read_stack(recipe, depths)
    neighbour = bands[min(index, len(bands) - 1)]
    refs = (
        [layers.model]
        if _least(recipe) <= 1
        else list(dict.fromkeys([layers.model, *(s.model for s in neighbour.sources)]))
    )

    def change(slices: Slices) -> None:
        beside = slices[min(index, len(slices) - 1)]
        own = {str(ModelRef.of(s["model"])): s.get("parameters") for s in beside["sources"]}
        sources = [{"model": plain(ref), "layer_range": [layers.first, layers.end]} for ref in refs]
        for source, ref in zip(sources, refs, strict=True):
            if own.get(str(ref)):
                source["parameters"] = own[str(ref)]
        slices.insert(index, {"sources": sources})

    return _edit(recipe, depths, change)


def _least(recipe: Recipe) -> int:
    """How many models a slice must have, besides the base."""
    method = methods()[recipe.merge_method]
    return method.inputs[0] - (method.base == "required")


def _edit(recipe: Recipe, depths: Sequence[int], change: Callable[[Slices], Any]) -> Recipe:
    """The recipe with changed slices; a changed copy of each, so that a repeated one is not changed twice."""
    if not can_edit(recipe):
        raise _error("the parts of this model have layers of their own.", "Edit its slices in the recipe.")
    slices = _list_slices(recipe, depths)
    change(slices)
    data = recipe.plain()
    data.pop("models", None)
    return Recipe.of(data | {"slices": slices})


def _list_slices(recipe: Recipe, depths: Sequence[int]) -> Slices:
    """The slices as data, each source with its range."""
    slices = []
    for piece, band in zip(recipe.pieces, read_stack(recipe, depths), strict=True):
        sources = [
            plain(source) | {"layer_range": [layers.first, layers.end]}
            for source, layers in zip(piece.sources, band.sources, strict=True)
        ]
        slices.append(plain(piece) | {"sources": sources})
    return slices


def _cut(recipe: Recipe, whole: dict[str, Any], band: Band, first: int, end: int) -> dict[str, Any]:
    """The layers [first, end) of a slice, with the values that they have."""

    def cut(settings: dict[str, Any]) -> dict[str, Any]:
        return {name: _cut_setting(Setting.of(value), band.depth, first, end) for name, value in settings.items()}

    sources = []
    for source, layers in zip(whole["sources"], band.sources, strict=True):
        own = {"parameters": cut(source["parameters"])} if source.get("parameters") else {}
        sources.append(source | {"layer_range": [layers.first + first, layers.first + end]} | own)
    # A gradient of the whole recipe is spread over each slice: here it is written to the slice.
    spread = {n: s.plain() for n, s in recipe.parameters.items() if any(r.is_gradient for r in s.rules)}
    shared = spread | whole.get("parameters", {})
    return whole | {"sources": sources} | ({"parameters": cut(shared)} if shared else {})


def _cut_setting(setting: Setting, depth: int, first: int, end: int) -> Any:
    return Setting(tuple(_cut_rule(rule, depth, first, end) for rule in setting.rules)).plain()


def _cut_rule(rule: Rule, depth: int, first: int, end: int) -> Rule:
    if not rule.is_gradient:
        return rule
    values = [rule.at(position(i, depth), depth) for i in range(first, end)]
    if any(isinstance(v, bool | str) for v in values):
        return Rule(tuple(values), rule.filter)
    return Rule(find_form({i: float(v) for i, v in enumerate(values)}, end - first), rule.filter)


def _find(recipe: Recipe, depths: Sequence[int], layer: int) -> tuple[Band, int]:
    for index, band in enumerate(read_stack(recipe, depths)):
        if band.start <= layer < band.start + band.depth:
            return band, index
    raise _error(f"there is no layer {layer}.", "")


def _band(recipe: Recipe, depths: Sequence[int], index: int) -> Band:
    bands = read_stack(recipe, depths)
    if not 0 <= index < len(bands):
        raise _error(f"there is no range number {index}.", "")
    return bands[index]


def _error(what: str, how: str) -> RecipeError:
    return RecipeError([Problem("error", ("slices",), what, how)])
