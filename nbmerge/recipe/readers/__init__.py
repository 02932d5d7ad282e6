"""Readers: one file per format that people have recipes in. None of them runs anything it reads.

A reader is a module with ``read(text: RecipeText) -> Recipe | None``. None says that the text is of another kind; a
`RecipeError` says that it is of this one and wrong.
"""

from __future__ import annotations

from nbmerge.recipe.readers import cell, markdown, mergekit, program  # fmt: skip
from nbmerge.recipe.readers.legacy import bakllama, block_weights, genome, gradient, gradient_yaml, mergekit_legacy
from nbmerge.recipe.readers.recipe_text import RecipeText
from nbmerge.recipe.recipe import Recipe

READERS = (markdown, cell, mergekit_legacy, gradient, program, block_weights, gradient_yaml, bakllama, genome)
"""The most peculiar first. What none of them takes is YAML, mergekit's or ours."""


def read(text: str, above: int = 0, inside: str | None = None) -> Recipe:
    """Read a recipe from a text in any format known.

    Parameters
    ----------
    text : str
    above : int
        Number of lines above it in the text that it was taken from.
    inside : str, optional
        Name of the reader that took it out of its own text. Only readers behind that one are asked, so that nothing
        nests without end.

    Raises
    ------
    RecipeError
        From the reader whose format it is.
    """
    wrapped = RecipeText(text, above)
    return _peculiar(wrapped, inside) or mergekit.read(wrapped)


def read_line(text: str) -> Recipe | None:
    """Read a recipe from a line that is no YAML, such as a command; None where it is none."""
    return _peculiar(RecipeText(text), None)


def _peculiar(text: RecipeText, inside: str | None) -> Recipe | None:
    names = [reader.__name__.rsplit(".", 1)[-1] for reader in READERS]
    asked = READERS[names.index(inside) + 1 :] if inside else READERS
    return next((recipe for reader in asked if (recipe := reader.read(text)) is not None), None)
