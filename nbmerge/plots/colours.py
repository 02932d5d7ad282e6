"""One colour per model, the same in every picture of a merge."""

from __future__ import annotations

from collections.abc import Iterable

from nbmerge.engine.planning import Plan
from nbmerge.plots.look import INK
from nbmerge.plots.theme import PALETTE
from nbmerge.recipe import ModelRef, Recipe


def model_colours(plan: Plan) -> dict[str, str]:
    """Colour of each model by its label: the base is grey, the others take the palette in the recipe's order."""
    return label_colours(plan.labels.values(), plan.base_label)


def label_models(recipe: Recipe) -> dict[ModelRef, str]:
    """Short unique names of a recipe's models, those that a plan gives them."""
    names = [ref.name for ref in recipe.references]
    return {ref: ref.name if names.count(ref.name) == 1 else str(ref) for ref in recipe.references}


def label_colours(labels: Iterable[str], base: str | None) -> dict[str, str]:
    """The same for labels without a plan; `base` is the one that is grey."""
    labels = list(dict.fromkeys(labels))
    colours = {label: PALETTE[i % len(PALETTE)] for i, label in enumerate(x for x in labels if x != base)}
    return {base: INK, **colours} if base in labels else colours
