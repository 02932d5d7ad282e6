"""Recipes for bare weights, which have tensors and no config: what they may contain, missing tensors, and what needs a model."""

from nbmerge.engine.planning.bare.missing import settle_missing
from nbmerge.engine.planning.bare.refuse import no_model, require_model
from nbmerge.engine.planning.bare.settle import settle_bare

__all__ = ["no_model", "require_model", "settle_bare", "settle_missing"]
