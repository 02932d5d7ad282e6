"""What several commands take."""

from __future__ import annotations

import os
import stat
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nbmerge.errors import OutputError, advice

if TYPE_CHECKING:
    from nbmerge.recipe import Recipe

RecipeSource = Annotated[
    str, typer.Argument(metavar="RECIPE", help="A recipe file, a merged model's folder, or - for standard input.")
]
Dialect = Annotated[
    str | None,
    typer.Option(metavar="TOOL", help="Interpret the recipe as this tool does: nbmerge, mergekit-0.1 or mergekit-0.0."),
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace what is there.")]
ReplaceModel = Annotated[
    bool, typer.Option("--overwrite", help="Replace a model folder, once the new one is complete.")
]
OutFolder = Annotated[Path, typer.Argument(metavar="OUT", help="Folder to create.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing unless something fails.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Csv = Annotated[bool, typer.Option("--csv", help="Print CSV.")]


def one_format(as_json: bool, as_csv: bool) -> None:
    """Refuse two formats at once."""
    if as_json and as_csv:
        raise typer.BadParameter("--json or --csv, not both.")


def text_of(source: str) -> str:
    """Hand on a source of a recipe, with standard input read where it is '-'."""
    return f"{sys.stdin.read()}\n" if source == "-" else source  # the line break says that this is a text, not a path


def recipe_of(source: str, dialect: str | None = None) -> Recipe:
    """Load the recipe that a command was given."""
    from nbmerge.recipe import Recipe

    return Recipe.load(text_of(source), dialect)


def new_file(path: Path, overwrite: bool) -> Path:
    """Refuse to write over a file unasked, and over anything but a file."""
    if path.exists() and not path.is_file():
        raise OutputError(f"{path} exists and is not a file. Choose another name.")
    if path.exists() and not overwrite:
        raise OutputError(f"{path} exists. Choose another name, or pass --overwrite to replace it.")
    if not path.absolute().parent.is_dir():
        raise OutputError(f"{path} cannot be written: {path.absolute().parent} is not a folder. Create it first.")
    return path


def write_file(path: Path, text: str, overwrite: bool) -> None:
    """Write a file that `new_file` allows; what was there stays until all of the new text is on the disk."""
    path = new_file(path, overwrite).resolve()  # of a link, the file that it leads to
    beside = path.with_name(f".{path.name}.nbmerge-new")
    try:
        beside.unlink(missing_ok=True)
        with open(beside, "x", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        if path.exists():
            beside.chmod(stat.S_IMODE(path.stat().st_mode))
        beside.replace(path)
    except OSError as error:
        with suppress(OSError):
            beside.unlink(missing_ok=True)
        raise OutputError(f"{path} could not be written: {advice(error)}") from error
