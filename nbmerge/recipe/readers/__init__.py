"""Readers: one file per format that people have recipes in. None of them runs anything it reads.

A reader is a module with ``read(text: RecipeText) -> Recipe | None``. It returns None for a text in another format, and
raises `RecipeError` for a text in its own format that is invalid.
"""

from __future__ import annotations

from nbmerge.recipe.readers import cell, markdown, mergekit, program  # fmt: skip
from nbmerge.recipe.readers.legacy import bakllama, block_weights, genome, gradient, gradient_yaml, mergekit_legacy
from nbmerge.recipe.readers.recipe_text import RecipeText
from nbmerge.recipe.recipe import Recipe

READERS = (markdown, cell, mergekit_legacy, gradient, program, block_weights, gradient_yaml, bakllama, genome)
"""The most specific first. What none of them reads is YAML, mergekit's or ours."""


def read(text: str, above: int = 0, inside: str | None = None) -> Recipe:
    """Read a recipe from a text in any format known.

    Parameters
    ----------
    text : str
    above : int
        Number of lines above it in the text that it was taken from.
    inside : str, optional
        Name of the reader that took it out of its own text. Only later readers are tried, so that texts cannot nest
        without end.

    Raises
    ------
    RecipeError
        From the reader whose format it is.
    """
    wrapped = RecipeText(text, above)
    return _read_special(wrapped, inside) or mergekit.read(wrapped)


def read_line(text: str) -> Recipe | None:
    """Read a recipe from a line that is not YAML, such as a command; None if it is not a recipe."""
    return _read_special(RecipeText(text), None)


def _read_special(text: RecipeText, inside: str | None) -> Recipe | None:
    names = [reader.__name__.rsplit(".", 1)[-1] for reader in READERS]
    readers = READERS[names.index(inside) + 1 :] if inside else READERS
    return next((recipe for reader in readers if (recipe := reader.read(text)) is not None), None)
