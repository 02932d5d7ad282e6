"""Arguments and options that several commands share."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nbmerge.errors import OutputError, advice

if TYPE_CHECKING:
    from nbmerge.recipe import Recipe

RecipeSource = Annotated[
    str, typer.Argument(metavar="RECIPE", help="Recipe file, folder of a merged model, or - for standard input.")
]
Dialect = Annotated[
    str | None,
    typer.Option(metavar="TOOL", help="Interpret the recipe as this tool does: nbmerge, mergekit-0.1 or mergekit-0.0."),
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace an existing file.")]
ReplaceModel = Annotated[
    bool, typer.Option("--overwrite", help="Replace an existing model folder once the new one is complete.")
]
OutFolder = Annotated[Path, typer.Argument(metavar="OUT", help="Output folder to create.")]
OutPlace = Annotated[
    Path, typer.Argument(metavar="OUT", help="Output folder to create; for weights files, also a .safetensors file.")
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing unless something fails.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Csv = Annotated[bool, typer.Option("--csv", help="Print CSV.")]


def check_format(as_json: bool, as_csv: bool) -> None:
    """Raise `typer.BadParameter` if both formats are requested."""
    if as_json and as_csv:
        raise typer.BadParameter("pass --json or --csv, not both.")


def read_source(source: str) -> str:
    """Return the text of standard input for "-", else the source itself."""
    return f"{sys.stdin.read()}\n" if source == "-" else source  # the line break marks a text, as opposed to a path


def load_recipe(source: str, dialect: str | None = None) -> Recipe:
    """Load the recipe that a command was called with."""
    from nbmerge.recipe import Recipe

    return Recipe.load(read_source(source), dialect)


def check_new_file(path: Path, overwrite: bool) -> Path:
    """Return the path of a file to write; refuse existing files without `overwrite`, and anything that is not a file."""
    if path.exists() and not path.is_file():
        raise OutputError(f"{path} exists and is not a file. Choose another name.")
    if path.exists() and not overwrite:
        raise OutputError(f"{path} exists. Choose another name, or pass --overwrite to replace it.")
    if not path.absolute().parent.is_dir():
        raise OutputError(f"{path} cannot be written: there is no folder {path.absolute().parent}. Create it first.")
    return path


def write_file(path: Path, text: str, overwrite: bool) -> None:
    """Write a text file as `write_file_by` does."""
    write_file_by(path, lambda new: new.write_text(text, encoding="utf-8"), overwrite)


def write_file_by(path: Path, write: Callable[[Path], object], overwrite: bool) -> None:
    """Write a file that `check_new_file` allows; an existing one stays until the new one is flushed to disk.

    Parameters
    ----------
    path : Path
    write : callable
        Writes the contents to the path of an empty file, which then replaces `path`.
    overwrite : bool
    """
    path = check_new_file(path, overwrite).resolve()  # for a link, its target
    new = path.with_name(f".{path.name}.nbmerge-new")
    try:
        new.unlink(missing_ok=True)
        with open(new, "xb") as file:  # never through a link that somebody else put there
            write(new)
            os.fsync(file.fileno())
        if path.exists():
            new.chmod(stat.S_IMODE(path.stat().st_mode))
        new.replace(path)
    except OSError as error:
        with suppress(OSError):
            new.unlink(missing_ok=True)
        raise OutputError(f"cannot write to {path}: {advice(error)}") from error
