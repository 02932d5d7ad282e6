"""Our own YAML, a superset of mergekit's."""

from __future__ import annotations

from nbmerge.recipe.documents import order_merges
from nbmerge.recipe.end_values import spell_out_ends
from nbmerge.recipe.recipe import Recipe
from nbmerge.recipe.yaml_text import dump_yaml


def to_yaml(recipe: Recipe) -> str:
    """See `Recipe.to_yaml`."""
    spelled = [spell_out_ends(r).plain() for r in order_merges(recipe)]
    return "---\n".join(dump_yaml({k: v for k, v in data.items() if k != "merges"}) for data in spelled)
