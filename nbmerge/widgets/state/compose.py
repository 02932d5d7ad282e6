"""A recipe from chosen models and a method, which keeps the settings of earlier recipes wherever they still apply."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import takewhile
from typing import Any

from nbmerge.checkpoints import Checkpoint
from nbmerge.errors import CheckpointError
from nbmerge.methods import REQUIRED, Method, Parameter, methods
from nbmerge.recipe import ModelRef, Recipe

KEPT = ("dtype", "out_dtype", "random_seed", "tokenizer", "tokenizer_source", "vocabulary", "chat_template")
"""Fields that hold for any method and any models of a family."""
STARTS = {"density": 0.5}
"""What parameters start with whose default has no effect: at density 1, nothing is left out."""


def compose_recipe(method: Method, base: str, models: Sequence[str], memory: Sequence[Recipe] = ()) -> Recipe:
    """The recipe for a method and some models.

    Parameters
    ----------
    method : Method
    base : str
        The model the others were fine-tuned from; may be empty.
    models : sequence of str
        Any number of others.
    memory : sequence of Recipe
        Earlier recipes of the same family, the newest first. A parameter takes the value it had in the first of them whose method has it,
        so that going to another method and back loses nothing.

    Raises
    ------
    RecipeError
        When they do not make a recipe.
    """
    listed = list_inputs(method, base, models)
    data: dict[str, Any] = {"merge_method": method.name}
    if method.base == "required":
        data["base_model"] = base or None
    elif method.base == "first" and listed:
        data["base_model"] = listed[0]
    shared = {p.name: s for p in method.parameters if (s := _remembered(p, None, memory)) is not None}
    data["models"] = [{"model": m, "parameters": _own(method, m, shared, memory)} for m in listed]
    required = [p for p in method.parameters if p.scope == "global" and p.default is REQUIRED]
    missing = [p for p in required if p.name not in shared]
    data["parameters"] = shared | {p.name: starting_value(p) for p in missing}
    data |= {name: getattr(memory[0], name) for name in KEPT} if memory else {}
    if data.get("tokenizer_source") not in (None, "union", "base", *listed):  # of a model that is gone
        data["tokenizer_source"] = None
    return Recipe.of(data)


def list_inputs(method: Method, base: str, models: Sequence[str]) -> list[str]:
    """The models that a method lists: without the base where it only serves to take differences from."""
    models = [m for m in models if m != base]
    least, most = method.inputs
    if method.base == "required":  # the base counts as an input
        return models[: most - 1] if most else models
    # Two experts are blended with each other; a lone one with the base.
    listed = models if len(models) >= least or not base else [base, *models]
    return listed[:most]


def starting_value(parameter: Parameter) -> float:
    """What a required number starts at: in the middle, so that its slider can move both ways."""
    return sum(parameter.slider) / 2


def find_family(path: str) -> tuple[str | None, int, str] | None:
    """What models of one family have in common: names of layers, their number, architecture. None where it is not known."""
    try:
        checkpoint = Checkpoint.open(path, ask=False)
    except (CheckpointError, ValueError):
        return None
    return checkpoint.layout.stack, checkpoint.depth, checkpoint.architecture


def list_family(recipes: Iterable[Recipe], base: str, models: Sequence[str]) -> list[Recipe]:
    """The first of some recipes, as long as they are of the family of these models.

    Parameters
    ----------
    recipes : iterable of Recipe
        The newest first; a recipe of another family, or without any of these models, ends the list.
    base, models : str, sequence of str
        The models that are chosen now.
    """
    chosen, family = {base, *models}, find_family(base or models[0])

    def is_of_family(recipe: Recipe) -> bool:
        named = [str(ref) for ref in ([recipe.base_model] if recipe.base_model else recipe.references)]
        return not chosen.isdisjoint(map(str, recipe.references)) and find_family(named[0]) == family

    return list(takewhile(is_of_family, recipes))


def list_unused(method: Method, base: str, models: Sequence[str]) -> list[str]:
    """Chosen models that the method does not use."""
    used = [*list_inputs(method, base, models), *([base] if method.base == "required" else [])]
    return [m for m in [base, *models] if m and m not in used]


def _own(method: Method, model: str, shared: Mapping[str, Any], memory: Sequence[Recipe]) -> dict[str, Any]:
    """The parameters of one model."""
    parameters = {}
    for parameter in (p for p in method.parameters if p.scope == "input"):
        value = _remembered(parameter, model, memory)
        if value is not None:
            parameters[parameter.name] = value
        elif parameter.name not in shared and (parameter.default is REQUIRED or parameter.name in STARTS):
            parameters[parameter.name] = STARTS.get(parameter.name, starting_value(parameter))
    return parameters


def _remembered(parameter: Parameter, model: str | None, memory: Sequence[Recipe]) -> Any:
    """A parameter's last setting, for one model or for the whole merge; None where it was not set or does not fit."""
    for recipe in memory:
        level = recipe.parameters if model is None else _settings_of(model, recipe)
        known = methods().get(recipe.merge_method)
        if level is None or known is None or known.parameter(parameter.name) is None:
            continue
        setting = level.get(parameter.name)
        return setting.plain() if setting is not None and not any(map(parameter.fault, setting.values())) else None
    return None


def _settings_of(model: str, recipe: Recipe) -> Mapping[str, Any] | None:
    sources = [s for p in recipe.pieces for s in p.sources]
    return next((s.parameters for s in sources if s.model == ModelRef.of(model)), None)
