"""Dialects: the same words with another meaning. Reading in a dialect writes that meaning into the recipe.

``nbmerge``, the default: what mergekit 0.1 documents, with the exceptions in docs/recipes.md, where all of this is
documented for users.

``mergekit-0.0``: mergekit before 0.1 (2023 and 2024). A slerp with a zero tensor follows the formula. A base model
that is not listed is an input of methods that have no base. With `tokenizer_source`, rows of tokens are means of the
models that own them.

``mergekit-0.1``: mergekit since 0.1 (2025). A slerp with a zero tensor and a base model that is not listed as before;
final norm and head take a gradient's *first* value, and DARE and similar methods rescale to the same sum of absolute values.
Where the last slice has more models than the first, final norm and head are merged without the models beyond that number.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbmerge.problems import Problem, nearest
from nbmerge.recipe.end_values import find_ends, spell_out_ends
from nbmerge.recipe.readers.mergekit import DIALECTS, UNDECLARED
from nbmerge.recipe.readers.recipe_text import note, reading_error
from nbmerge.recipe.recipe import Recipe
from nbmerge.recipe.sections import levels
from nbmerge.recipe.setting import Rule, Setting

if TYPE_CHECKING:
    from nbmerge.methods import Method

NEWEST = "mergekit-0.1"
"""The current release of mergekit."""


def check_dialect(dialect: str | None) -> None:
    """Refuse an unknown dialect."""
    if dialect is not None and dialect not in DIALECTS:
        raise reading_error(f"unknown dialect '{dialect!s:.60}'.", nearest(str(dialect)[:60], DIALECTS))


def apply_dialect(recipe: Recipe, dialect: str | None) -> Recipe:
    """The recipe that means here what it means in a dialect.

    Parameters
    ----------
    recipe : Recipe
    dialect : str, optional
        Replaces the dialect that the recipe, and each merge that feeds it, declares.
    """
    merges = [apply_dialect(m, dialect) for m in recipe.merges]
    if merges:
        recipe = recipe.replace(merges=merges).with_origin(like=recipe)
    own = dialect or recipe.declared_dialect
    if own in (None, "nbmerge"):
        return recipe
    if own == UNDECLARED:
        return recipe.with_origin(notes=_otherwise(recipe))
    notes: list[Problem] = []
    read = _as_mergekit_0_1(recipe, notes) if own == NEWEST else _as_mergekit_0_0(recipe, notes)
    return read.with_origin(like=recipe, notes=notes, dialect=own)


def _as_mergekit_0_0(recipe: Recipe, notes: list[Problem]) -> Recipe:
    return _owners(_zero_tensors(_listed_base(recipe, notes), notes), notes)


def _as_mergekit_0_1(recipe: Recipe, notes: list[Problem]) -> Recipe:
    recipe = _rescale(_zero_tensors(_listed_base(recipe, notes), notes), notes)
    return _short_ends(_first_values(recipe, notes), notes)


def _otherwise(recipe: Recipe) -> list[Problem]:
    """Where mergekit 0.1 makes a different model of a recipe that declares no dialect."""
    notes: list[Problem] = []
    _short_ends(_first_values(_listed_base(recipe, notes), notes), notes)
    how = f"To get the same here, read the recipe in the dialect {NEWEST}."
    return [
        Problem("info", n.where, f"in mergekit 0.1, {n.what.partition(', as in mergekit')[0]}.", how) for n in notes
    ]


def _first_values(recipe: Recipe, notes: list[Problem]) -> Recipe:
    """Final norm and head take the first value of a gradient."""
    spelled = spell_out_ends(recipe, 0.0)
    if spelled != recipe:
        notes.append(note("final norm and head take the first value of a gradient, as in mergekit 0.1."))
    return spelled


def _owners(recipe: Recipe, notes: list[Problem]) -> Recipe:
    """The old key for a vocabulary takes rows of tokens from the models that have them."""
    if recipe.tokenizer_source is None:
        return recipe
    what = "rows of tokens are weighted means over the models that have them, as in mergekit before 0.1."
    notes.append(note(what, ("tokenizer_source",)))
    wanted = {"source": recipe.tokenizer_source, "rows": "owners"}
    return recipe.replace(tokenizer_source=None, tokenizer=wanted).with_origin(like=recipe)


def _short_ends(recipe: Recipe, notes: list[Problem]) -> Recipe:
    """Final norm and head are merged from no more of the last slice's models than the first slice has."""
    method = _method(recipe)
    if method is None or method.parameter("weight") is None:
        return recipe
    data = recipe.plain()
    for section in recipe.sections:
        count = len(section.slices[0].sources)
        if len(section.slices[-1].sources) <= count:
            continue
        part = data if section.module is None else data["modules"][section.module]
        for source in part["slices"][-1]["sources"][count:]:
            given = source.get("parameters", {})
            weight = Setting.of(given["weight"]) if "weight" in given else Setting(())
            for filter in find_ends(recipe):
                weight = weight.with_first(filter, 0.0)
            source["parameters"] = given | {"weight": weight.plain()}
        what = f"final norm and head are merged from the first {count} models of the last slice, as in mergekit 0.1."
        notes.append(note(what, section.where))
        recipe = Recipe.of(data).with_origin(like=recipe)
    return recipe


def _method(recipe: Recipe) -> Method | None:
    from nbmerge.methods import methods

    return methods().get(recipe.merge_method)


def _listed_base(recipe: Recipe, notes: list[Problem]) -> Recipe:
    """A method without a base takes an unlisted base model as an additional input, as every version of mergekit does."""
    method = _method(recipe)
    base = recipe.base_model
    if method is None or method.base != "none" or method.inputs[1] == 1 or base is None:
        return recipe
    incomplete = [s for s in recipe.sections if s.whole and base not in [x.model for x in s.slices[0].sources]]
    if not incomplete:
        return recipe
    notes.append(note(f"the base model is an additional input of {method.name}, as in mergekit.", ("base_model",)))
    data = recipe.plain()
    for section in incomplete:
        part = data if section.module is None else data["modules"][section.module]
        part["models"] = [*part["models"], {"model": base.plain()}]
    return Recipe.of(data).with_origin(like=recipe)


def _zero_tensors(recipe: Recipe, notes: list[Problem]) -> Recipe:
    method = _method(recipe)
    if method is None or method.parameter("zero_tensors") is None or _sets(recipe, "zero_tensors"):
        return recipe
    notes.append(note("where one of two tensors is zero, the formula is followed, as in mergekit."))
    return recipe.with_parameter("zero_tensors", "formula").with_origin(like=recipe)


def _rescale(recipe: Recipe, notes: list[Problem]) -> Recipe:
    method = _method(recipe)
    parameter = method.parameter("rescale") if method else None
    if parameter is None or parameter.kind == "flag" or "l1" not in parameter.kind:
        return recipe

    def l1(name: str, setting: Setting) -> Setting:
        if name != "rescale":
            return setting
        return Setting(
            tuple(Rule("l1" if r.value in (True, 1.0) else r.value, r.filter) for r in setting.canonical().rules)
        )

    changed = recipe.each_setting(l1)
    if not _sets(recipe, "rescale") and parameter.default is True:
        changed = changed.with_parameter("rescale", "l1").with_origin(like=changed)
    if changed != recipe:
        notes.append(note("kept changes are rescaled to the same sum of absolute values, as in mergekit 0.1."))
    return changed


def _sets(recipe: Recipe, name: str) -> bool:
    return any(name in settings for _, settings, one_model, _ in levels(recipe) if not one_model)
