"""Readers of what came before: recipes of older programs, each by one module, and Python cells as data (`constants`)."""

from nbmerge.recipe.readers.legacy import bakllama, block_weights, genome, gradient, gradient_yaml, mergekit_legacy

__all__ = ["bakllama", "block_weights", "genome", "gradient", "gradient_yaml", "mergekit_legacy"]
