"""What a recipe means, apart from how it is written: data in which the same meaning is the same text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from nbmerge.recipe.parts import plain
from nbmerge.recipe.sections import levels

if TYPE_CHECKING:
    from nbmerge.recipe.recipe import Recipe


def canonical_data(recipe: Recipe) -> dict[str, Any]:
    """Plain data that are equal exactly where recipes mean the same."""
    from nbmerge.recipe.end_values import fold_ends

    redundant = find_redundant_parameters(recipe)
    same = {
        "parameters": {n: s for n, s in recipe.parameters.items() if n not in redundant},
        "dtype": recipe.out_dtype or recipe.dtype,
        "out_dtype": None,
        "tokenizer_source": None,
        "tokenizer": recipe.wanted_tokenizer,
        "merges": tuple(canonical_data(m) for m in recipe.merges),
    }
    return plain(recipe.model_copy(update=same), lambda setting: _comparable(fold_ends(setting.canonical()).plain()))


def _comparable(value: Any) -> Any:
    """A setting's data with strings as keys, as JSON has them; layers are numbers."""
    if isinstance(value, Mapping):
        return {str(key): _comparable(entry) for key, entry in value.items()}
    return [_comparable(entry) for entry in value] if isinstance(value, list) else value


def find_redundant_parameters(recipe: Recipe) -> set[str]:
    """Parameters of the whole recipe that are set to their method's default, for every tensor alike."""
    from nbmerge.methods import methods

    method = methods().get(recipe.merge_method)
    if method is None or any("method" in settings for _, settings, _, _ in levels(recipe)):
        return set()  # several methods, whose defaults may differ
    given = {name: setting.canonical().plain() for name, setting in recipe.parameters.items()}
    return {
        p.name
        for p in method.parameters
        if p.name in given and type(given[p.name]) in (bool, int, float, str) and given[p.name] == p.default
    }
