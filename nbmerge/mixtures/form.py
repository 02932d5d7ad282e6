"""Distinguish mixtures from merges."""

from __future__ import annotations

from nbmerge.errors import RecipeError
from nbmerge.problems import Problem
from nbmerge.recipe import Recipe


def require_experts(recipe: Recipe) -> Recipe:
    """The recipe, if it is one of a mixture.

    Raises
    ------
    RecipeError
        When it is a merge.
    """
    if recipe.experts is None:
        what = f"this recipe is a merge ({recipe.merge_method}), not a mixture of experts."
        how = "A mixture has 'base_model' and 'experts', each with a 'source_model'. To merge, use nbmerge.merge (nbmerge merge)."
        raise RecipeError([Problem("error", (), what, how)])
    return recipe
