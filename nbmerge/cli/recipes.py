"""``nbmerge check``, ``plan`` and ``convert``: what can be said of a recipe from headers alone."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nbmerge.cli.arguments import (
    Csv,
    Dialect,
    Json,
    Overwrite,
    Quiet,
    RecipeSource,
    one_format,
    recipe_of,
    text_of,
    write_file,
)
from nbmerge.cli.terminal import json_output

if TYPE_CHECKING:
    import pandas as pd

    from nbmerge.engine.planning import Plan
    from nbmerge.recipe import Recipe


def check(
    recipe: RecipeSource,
    out: Annotated[Path | None, typer.Option(metavar="FOLDER", help="Also check this output folder.")] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Check that the merge may replace what is in the output folder.")
    ] = False,
    time: Annotated[
        bool, typer.Option("--time", help="Estimate the time as well; tries this machine for a second.")
    ] = False,
    dialect: Dialect = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Find everything that stands in a recipe's way, and what the merge will cost. Status 1 if there are errors."""
    from nbmerge.cli.terminal.reports import print_report
    from nbmerge.engine.check import check

    report = check(text_of(recipe), out, overwrite, dialect)
    cost = ("bytes_downloaded", "bytes_read", "bytes_written", "memory_bytes", *(("seconds",) if time else ()))
    forecast = {name: getattr(report.forecast, name) for name in cost} if report.forecast else None
    if forecast:
        forecast["downloads"] = [dataclasses.asdict(d) for d in report.forecast.downloads]
    if as_json:
        json_output.say({"ok": report.ok, "problems": json_output.problems(report.problems), "forecast": forecast})
    elif not (quiet and report.ok):
        print_report(report)
    raise typer.Exit(0 if report.ok else 1)


def plan(
    recipe: RecipeSource,
    dialect: Dialect = None,
    why: Annotated[bool, typer.Option("--why", help="Show which line of the recipe decided each value.")] = False,
    as_json: Json = False,
    as_csv: Csv = False,
) -> None:
    """Show the value of every parameter for every tensor of the result: what all tensors share once, above the table."""
    from nbmerge.cli.terminal.tables import as_rows, print_table
    from nbmerge.engine.planning import plan

    one_format(as_json, as_csv)
    with json_output.refusals(as_json):
        planned = plan(recipe_of(recipe, dialect))
    table = planned.values()
    if as_json:
        json_output.say(as_rows(table))
    elif as_csv:
        table.to_csv(sys.stdout, index=False)
    else:
        table = table.drop(columns="decided by")
        print_table(table.join(_reasons(planned)) if why else table)


def _reasons(plan: Plan) -> pd.DataFrame:
    """Which place of the recipe decided each value: one column per parameter."""
    import pandas as pd

    from nbmerge.cli.terminal.tables import REASON
    from nbmerge.problems import place

    return pd.DataFrame([{f"{k} {REASON}": place(w) for k, w in t.decided.items()} for t in plan.tensors])


def convert(
    source: Annotated[
        str,
        typer.Argument(metavar="SOURCE", help="Anything that holds a recipe: a file, a merged model's folder, or -."),
    ],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="FILE", help="File to write; default: standard output.")
    ] = None,
    dialect: Dialect = None,
    as_json: Json = False,
    overwrite: Overwrite = False,
) -> None:
    """Write a recipe as YAML that mergekit reads too, and that means the same to every version of it."""
    with json_output.refusals(as_json):
        recipe = recipe_of(source, dialect)
    if as_json:
        json_output.say(_described(recipe))
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
        "problems": json_output.problems(recipe.notes),
        "found": recipe.found,
        "fingerprint": recipe.fingerprint,
        "recipe": recipe.plain(),
        "yaml": recipe.to_yaml(),
        "mergekit": {"yaml": export.text, "same": export.same, "lost": json_output.problems(export.lost)},
        "python": recipe.to_python(),
        "words": recipe.in_words(),
    }
