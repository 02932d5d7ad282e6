"""Recipes as text: our YAML, mergekit's, a Python cell, sentences."""

from nbmerge.recipe.writers.export import Export

__all__ = ["Export"]
