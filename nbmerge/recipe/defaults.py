"""Defaults that a recipe spells out: they say nothing that would not hold without them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbmerge.recipe.sections import levels

if TYPE_CHECKING:
    from nbmerge.recipe.model import Recipe


def said_anyway(recipe: Recipe) -> set[str]:
    """Parameters of the whole recipe that are given their method's default, for every tensor alike."""
    from nbmerge.methods import methods

    method = methods().get(recipe.merge_method)
    if method is None or any("method" in settings for _, settings, _, _ in levels(recipe)):
        return set()  # several methods, whose defaults may differ
    plain = {name: setting.plain() for name, setting in recipe.parameters.items()}
    return {
        p.name
        for p in method.parameters
        if p.name in plain and type(plain[p.name]) in (bool, int, float, str) and plain[p.name] == p.default
    }
