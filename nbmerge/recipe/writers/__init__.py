"""Recipes as text: our YAML, mergekit's, a Python cell, sentences."""

from nbmerge.recipe.writers.export import Export
from nbmerge.recipe.writers.nbmerge_yaml import write_plainly

__all__ = ["Export", "write_plainly"]
