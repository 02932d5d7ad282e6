"""Readers for the formats of older programs, one module each, and for constants in Python cells (`constants`)."""

from nbmerge.recipe.readers.legacy import bakllama, block_weights, genome, gradient, gradient_yaml, mergekit_legacy

__all__ = ["bakllama", "block_weights", "genome", "gradient", "gradient_yaml", "mergekit_legacy"]
