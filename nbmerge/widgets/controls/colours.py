"""One colour per model, the same in every picture of the Studio."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from nbmerge.engine.planning import Plan
from nbmerge.palette import INK, PALETTE, label_colours

__all__ = ["complete_colours", "model_colours"]


def model_colours(plan: Plan) -> dict[str, str]:
    """Colour of each model by its label, as in the plots."""
    return label_colours(plan.labels.values(), plan.base_label)


def complete_colours(models: Sequence[str], known: Mapping[str, str], base: str) -> dict[str, str]:
    """A colour for each of some models: those known from the plan, others the next that is free.

    Parameters
    ----------
    models : sequence of str
    known : mapping of str to str
        Colours by model, of the models in the plan.
    base : str
        The model that is grey.
    """
    free = [colour for colour in PALETTE if colour not in known.values()] or list(PALETTE)
    others = [m for m in models if m not in known and m != base]
    new = {model: free[i % len(free)] for i, model in enumerate(others)}
    return {base: INK, **new, **known}
