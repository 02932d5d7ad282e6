"""Changes of a recipe that remedies are made of."""

from __future__ import annotations

from typing import Any

from nbmerge.errors import RecipeError
from nbmerge.methods import REQUIRED, Parameter, methods
from nbmerge.model_ref import ModelRef
from nbmerge.problems import Problem, Where
from nbmerge.recipe import Recipe
from nbmerge.recipe.sections import levels

DONORS = ("base_model", "embedding_source", "final_norm_source", "lm_head_source", "config_source", "fill_from")
"""Fields of a recipe that name one model each."""


def remove_model(recipe: Recipe, ref: ModelRef) -> Recipe:
    """The recipe without a model: as a source, as the base, and as the donor of anything.

    Raises
    ------
    RecipeError
        When nothing is left.
    """
    data = recipe.plain()
    for name in DONORS:
        if getattr(recipe, name) == ref:
            data.pop(name, None)
    for part in (data, *data.get("modules", {}).values()):
        _remove_sources(part, ref)
    return Recipe.of(data)


def _remove_sources(part: dict[str, Any], ref: ModelRef) -> None:
    """Remove a model from the sources of a recipe or of one of its modules."""
    if "models" in part:
        part["models"] = [s for s in part["models"] if ModelRef.of(s["model"]) != ref]
    for piece in part.get("slices", ()):
        piece["sources"] = [s for s in piece["sources"] if ModelRef.of(s["model"]) != ref]
        if "base_model" in piece and ModelRef.of(piece["base_model"]) == ref:
            del piece["base_model"]
    if "slices" in part:
        part["slices"] = [piece for piece in part["slices"] if piece["sources"]]


def set_base(recipe: Recipe, ref: ModelRef) -> Recipe:
    """The recipe with this base model, which is then no source; the former base becomes one."""
    former = recipe.base_model
    data = recipe.plain() | {"base_model": ref.plain()}
    if recipe.models is not None:
        kept = [s for s in data["models"] if ModelRef.of(s["model"]) != ref]
        listed = any(ModelRef.of(s["model"]) == former for s in kept)
        if former is not None and former != ref and not listed:
            # It takes the new base's place, and its parameters, so that nothing required is missing.
            gone: dict[str, Any] = next((s for s in data["models"] if ModelRef.of(s["model"]) == ref), {})
            kept = [gone | {"model": former.plain()}, *kept]
        data["models"] = kept
    return Recipe.of(data)


def choose_start(parameter: Parameter) -> float:
    """What a required number starts at: in the middle, so that it does something and its slider can move both ways."""
    return sum(parameter.slider) / 2


def give_required(recipe: Recipe) -> Recipe:
    """The recipe with a value for each required parameter of its method that has none anywhere."""
    method = methods().get(recipe.merge_method)
    given = {name for _, settings, _, _ in levels(recipe) for name in settings}
    for parameter in method.parameters if method is not None else ():
        if parameter.default is REQUIRED and parameter.name not in given:
            recipe = recipe.with_parameter(parameter.name, choose_start(parameter))
    return recipe


def set_value(recipe: Recipe, where: Where, value: Any) -> Recipe:
    """The recipe with something else at a place of its plain data; None removes what is there.

    Raises
    ------
    RecipeError
        When it has no such place.
    """
    data = recipe.plain()
    inner: Any = data
    try:
        for key in where[:-1]:
            inner = inner[key]
        if value is None:
            del inner[where[-1]]
        else:
            inner[where[-1]] = value
    except (KeyError, IndexError, TypeError):
        what = "the recipe has changed since this was offered."
        raise RecipeError([Problem("error", where, what, "Choose again.")]) from None
    return Recipe.of(data)
