"""Our own YAML, a superset of mergekit's."""

from __future__ import annotations

from nbmerge.recipe.documents import in_order
from nbmerge.recipe.ends import spelled_out
from nbmerge.recipe.model import Recipe
from nbmerge.recipe.text import dump


def to_yaml(recipe: Recipe) -> str:
    """See `Recipe.to_yaml`."""
    spelled = [spelled_out(r).plain() for r in in_order(recipe)]
    return "---\n".join(dump({k: v for k, v in data.items() if k != "merges"}) for data in spelled)
