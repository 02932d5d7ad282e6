"""One colour per model, the same in every picture of the Studio."""

from __future__ import annotations

from nbmerge.engine.planning import Plan
from nbmerge.plots.theme import INK, PALETTE


def model_colours(plan: Plan) -> dict[str, str]:
    """Colour of each model by its label: the base is grey, the others take the palette in the recipe's order."""
    base = plan.recipe.base_model if plan.method.base == "required" else None
    others = [label for ref, label in plan.labels.items() if ref != base]
    colours = {label: PALETTE[i % len(PALETTE)] for i, label in enumerate(others)}
    return colours if base is None else {plan.labels[base]: INK, **colours}
