"""Our own YAML, a superset of mergekit's."""

from __future__ import annotations

from collections.abc import Iterable

from nbmerge.recipe.documents import order_merges
from nbmerge.recipe.end_values import spell_out_ends
from nbmerge.recipe.recipe import Recipe
from nbmerge.recipe.yaml_text import dump_yaml


def to_yaml(recipe: Recipe) -> str:
    """See `Recipe.to_yaml`."""
    return _write([spell_out_ends(r) for r in order_merges(recipe)])


def write_plainly(recipe: Recipe) -> str:
    """YAML as a person writes it: a gradient's values for final norm and head are not spelled out.

    It is to be read by nbmerge. For other programs, there are `Recipe.to_yaml` and `Recipe.to_mergekit`.
    """
    return _write(order_merges(recipe))


def _write(recipes: Iterable[Recipe]) -> str:
    documents = (recipe.plain() for recipe in recipes)
    return "---\n".join(dump_yaml({k: v for k, v in data.items() if k != "merges"}) for data in documents)
