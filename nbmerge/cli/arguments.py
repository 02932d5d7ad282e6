"""What several commands take."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nbmerge.errors import OutputError

if TYPE_CHECKING:
    from nbmerge.recipe import Recipe

RecipeSource = Annotated[
    str, typer.Argument(metavar="RECIPE", help="A recipe file, a merged model's folder, or - for standard input.")
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace what is there.")]


def text_of(source: str) -> str:
    """Hand on a source of a recipe, with standard input read where it is '-'."""
    return f"{sys.stdin.read()}\n" if source == "-" else source  # the line break says that this is a text, not a path


def recipe_of(source: str, dialect: str | None = None) -> Recipe:
    """Load the recipe that a command was given."""
    from nbmerge.recipe import Recipe

    return Recipe.load(text_of(source), dialect)


def new_file(path: Path, overwrite: bool) -> Path:
    """Refuse to write over a file unasked."""
    if path.exists() and not overwrite:
        raise OutputError(f"{path} exists. Choose another name, or pass --overwrite to replace it.")
    if not path.absolute().parent.is_dir():
        raise OutputError(f"{path} cannot be written: {path.absolute().parent} is not a folder. Create it first.")
    return path
