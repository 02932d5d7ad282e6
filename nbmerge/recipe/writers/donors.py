"""Donors as rules: `embedding_source` and the like expressed by parameters that mergekit has, where the method allows it.

A tensor is one model's own when that model alone has weight there (linear), when no other has (methods with a base
model, for the base), or when t is at its end (slerp).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nbmerge.model_ref import ModelRef
from nbmerge.recipe.parts import Slice, Source
from nbmerge.recipe.recipe import Recipe
from nbmerge.recipe.setting import Setting

ROLES = {"embedding_source": ("embedding", 0), "final_norm_source": ("final norm", -1), "lm_head_source": ("head", -1)}
"""Field of the recipe to the role of its tensors and the slice that makes them."""
FILTERS = {"embedding": ("embed_tokens",), "final norm": ("model.norm",), "head": ("lm_head",)}
"""Filters for them in nearly all current architectures, used when no checkpoint is on this machine."""


def write_donors_as_rules(recipe: Recipe) -> tuple[Recipe, list[str]]:
    """The recipe with donors written as rules, and the names of the fields for which that cannot be done."""
    lost = []
    for field, (role, at) in ROLES.items():
        donor = getattr(recipe, field)
        if donor is None:
            continue
        written = _written(recipe, donor, find_filters(recipe, role), at)
        if written is None:
            lost.append(field)
        recipe = (written or recipe).replace(**{field: None})
    return recipe, lost


def find_filters(recipe: Recipe, role: str) -> tuple[str, ...]:
    """Filters for a role's tensors, by the first model that is on this machine."""
    from nbmerge.checkpoints import Checkpoint
    from nbmerge.errors import CheckpointError

    for ref in recipe.references:
        try:
            layout = Checkpoint.open(ref, ask=False).layout
        except CheckpointError:
            continue
        if known := layout.filters(role):  # a tied model has no head
            return known
    return FILTERS[role]


def _written(recipe: Recipe, donor: ModelRef, filters: tuple[str, ...], at: int) -> Recipe | None:
    if recipe.modules is not None:
        return None
    pieces = list(recipe.pieces)
    piece = pieces[at]
    models = [s.model for s in piece.sources]
    base = piece.base_model or recipe.base_model
    shares = _shares(recipe.merge_method, models, base, donor)
    if shares is None:
        return None
    if isinstance(shares, float):
        return _with_t(recipe, pieces, at, filters, shares)
    sources = [_ruled(s, filters, share) for s, share in zip(piece.sources, shares, strict=True)]
    if recipe.models is not None:
        return recipe.replace(models=sources)
    pieces[at] = Slice.model_validate({**_fields(piece), "sources": sources})
    return recipe.replace(slices=pieces)


def _shares(
    method: str, models: list[ModelRef], base: ModelRef | None, donor: ModelRef
) -> list[float | None] | float | None:
    """Weight of each source, or the slerp's t, that gives the donor's tensor as it is; None where nothing does."""
    if method == "slerp" and base in models and len(models) == 2 and donor in models:
        return 0.0 if donor == base else 1.0
    if method == "linear" and models.count(donor) == 1:
        return [float(m == donor) for m in models]
    if method in ("task_arithmetic", "ties", "dare_linear", "dare_ties", "della", "della_linear") and donor == base:
        return [None if m == base else 0.0 for m in models]
    if method == "passthrough" and models == [donor]:
        return [None]
    return None


def _with_t(recipe: Recipe, pieces: list[Slice], at: int, filters: tuple[str, ...], t: float) -> Recipe:
    changed = recipe
    if recipe.slices is not None and "t" in pieces[at].parameters:
        parameters = {**pieces[at].parameters, "t": _first(pieces[at].parameters["t"], filters, t)}
        pieces[at] = Slice.model_validate({**_fields(pieces[at]), "parameters": parameters})
        changed = changed.replace(slices=pieces)
    if "t" in recipe.parameters:
        changed = changed.with_parameter("t", _first(recipe.parameters["t"], filters, t))
    return changed


def _ruled(source: Source, filters: tuple[str, ...], share: float | None) -> Source:
    if share is None:
        return source
    weight = source.parameters.get("weight")
    setting = _first(weight or Setting(()), filters, share)
    return type(source).model_validate({**_fields(source), "parameters": {**source.parameters, "weight": setting}})


def _first(setting: Setting, filters: tuple[str, ...], value: float) -> Setting:
    for filter in filters:
        setting = setting.with_first(filter, value)
    return setting


def _fields(part: Any) -> Mapping[str, Any]:
    return {n: getattr(part, n) for n in type(part).model_fields}
