"""``nbmerge check``, ``plan`` and ``convert``: what can be said of a recipe from headers alone."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nbmerge.cli import programs
from nbmerge.cli.arguments import Overwrite, RecipeSource, recipe_of, text_of, write_file

if TYPE_CHECKING:
    from nbmerge.recipe import Recipe


def check(
    recipe: RecipeSource,
    out: Annotated[Path | None, typer.Option(help="Also check this output folder.")] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Check that the merge may replace what is in the output folder.")
    ] = False,
    time: Annotated[
        bool, typer.Option("--time", help="Estimate the time as well; tries this machine for a second.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Find everything that stands in a recipe's way, and what the merge will cost. Status 1 if there are errors."""
    from nbmerge.engine.check import check

    report = check(text_of(recipe), out, overwrite)
    cost = ("bytes_downloaded", "bytes_read", "bytes_written", "memory_bytes", *(("seconds",) if time else ()))
    forecast = {name: getattr(report.forecast, name) for name in cost} if report.forecast else None
    if forecast:
        forecast["downloads"] = [dataclasses.asdict(d) for d in report.forecast.downloads]
    if as_json:
        programs.say({"ok": report.ok, "problems": programs.problems(report.problems), "forecast": forecast})
    else:
        print(report)
    raise typer.Exit(0 if report.ok else 1)


def plan(
    recipe: RecipeSource,
    as_json: Annotated[bool, typer.Option("--json", help="One object per tensor.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="For spreadsheets.")] = False,
) -> None:
    """Show the value of every parameter for every tensor of the result."""
    from nbmerge.engine.planner import plan

    if as_json and as_csv:
        raise typer.BadParameter("--json or --csv, not both.")
    with programs.refusals(as_json):
        table = plan(recipe_of(recipe)).values()
    if as_json:
        print(table.to_json(orient="records", indent=2, force_ascii=False))
    elif as_csv:
        table.to_csv(sys.stdout, index=False)
    else:
        # Layers as whole numbers, and blanks where a tensor has none.
        print(table.assign(layer=table["layer"].astype("Int64").astype("string")).fillna("").to_string(index=False))


def convert(
    source: Annotated[str, typer.Argument(help="Anything that holds a recipe: a file, a merged model's folder, or -.")],
    out: Annotated[Path | None, typer.Option("--out", "-o", help="File to write; default: standard output.")] = None,
    dialect: Annotated[str | None, typer.Option(help="Whose meaning it has, such as mergekit-0.1.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For programs: all that can be said of it.")] = False,
    overwrite: Overwrite = False,
) -> None:
    """Write a recipe as YAML that mergekit reads too, and that means the same to every version of it."""
    with programs.refusals(as_json):
        recipe = recipe_of(source, dialect)
    if as_json:
        programs.say(_described(recipe))
        if out is not None:
            write_file(out, recipe.to_yaml(), overwrite)
        return
    for words in (f"Found {recipe.found}.", *(f"{note.severity}: {note}" for note in recipe.notes)):
        print(words, file=sys.stderr)
    if out is None:
        print(recipe.to_yaml(), end="")
    else:
        write_file(out, recipe.to_yaml(), overwrite)


def _described(recipe: Recipe) -> dict[str, Any]:
    """A recipe in every form that it can be written in."""
    export = recipe.to_mergekit()
    return {
        "ok": True,
        "problems": programs.problems(recipe.notes),
        "found": recipe.found,
        "fingerprint": recipe.fingerprint,
        "recipe": recipe.plain(),
        "yaml": recipe.to_yaml(),
        "mergekit": {"yaml": export.text, "same": export.same, "lost": programs.problems(export.lost)},
        "python": recipe.to_python(),
        "words": recipe.in_words(),
    }
