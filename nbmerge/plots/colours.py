"""One colour per model, the same in every picture of a merge."""

from __future__ import annotations

from nbmerge.engine.planning import Plan
from nbmerge.palette import label_colours
from nbmerge.recipe import ModelRef, Recipe

__all__ = ["label_colours", "label_models", "model_colours"]


def model_colours(plan: Plan) -> dict[str, str]:
    """Colour of each model by its label: the base is grey, the others take the palette in the recipe's order."""
    return label_colours(plan.labels.values(), plan.base_label)


def label_models(recipe: Recipe) -> dict[ModelRef, str]:
    """Short unique names of a recipe's models, those that a plan gives them."""
    names = [ref.name for ref in recipe.references]
    return {ref: ref.name if names.count(ref.name) == 1 else str(ref) for ref in recipe.references}
