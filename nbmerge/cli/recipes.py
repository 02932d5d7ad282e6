"""``nbmerge check``, ``plan`` and ``convert``: commands that read recipes and headers, but no weights."""

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
    check_format,
    load_recipe,
    read_source,
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
        bool, typer.Option("--overwrite", help="Check that the output folder may be replaced.")
    ] = False,
    time: Annotated[
        bool, typer.Option("--time", help="Also estimate the time; measures this machine for a second.")
    ] = False,
    dialect: Dialect = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Check a recipe without reading weights; print problems, sizes and memory. Exit status 1 if there are errors."""
    from nbmerge.cli.terminal.reports import print_report
    from nbmerge.engine.check import check

    report = check(read_source(recipe), out, overwrite, dialect)
    cost = ("bytes_downloaded", "bytes_read", "bytes_written", "memory_bytes", *(("seconds",) if time else ()))
    forecast: dict[str, Any] | None = None
    if report.forecast:
        forecast = {name: getattr(report.forecast, name) for name in cost}
        forecast["downloads"] = [dataclasses.asdict(d) for d in report.forecast.downloads]
    if as_json:
        json_output.print_json({
            "ok": report.ok, "problems": json_output.list_problems(report.problems),
            "suggestions": list(report.suggestions), "forecast": forecast,
        })  # fmt: skip
    elif not (quiet and report.ok):
        print_report(report)
    raise typer.Exit(0 if report.ok else 1)


def plan(
    recipe: RecipeSource,
    dialect: Dialect = None,
    why: Annotated[bool, typer.Option("--why", help="Also print which place of the recipe sets each value.")] = False,
    as_json: Json = False,
    as_csv: Csv = False,
) -> None:
    """Print the value of each parameter for every tensor. Values that all tensors share are printed once, above the table."""
    from nbmerge.cli.terminal.tables import print_table, to_rows
    from nbmerge.engine.planning import plan

    check_format(as_json, as_csv)
    with json_output.report_errors(as_json):
        planned = plan(load_recipe(recipe, dialect))
    table = planned.values()
    if as_json:
        json_output.print_json(to_rows(table))
    elif as_csv:
        table.to_csv(sys.stdout, index=False)
    else:
        table = table.drop(columns="decided by")
        print_table(table.join(_list_reasons(planned)) if why else table)


def _list_reasons(plan: Plan) -> pd.DataFrame:
    """The place of the recipe that sets each value: one column per parameter."""
    import pandas as pd

    from nbmerge.cli.terminal.tables import REASON
    from nbmerge.problems import place

    return pd.DataFrame([{f"{k} {REASON}": place(w) for k, w in t.decided.items()} for t in plan.tensors])


def convert(
    source: Annotated[
        str,
        typer.Argument(metavar="SOURCE", help="Any readable recipe: a file, a model folder, or - for standard input."),
    ],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="FILE", help="File to write; default: standard output.")
    ] = None,
    dialect: Dialect = None,
    as_json: Json = False,
    overwrite: Overwrite = False,
) -> None:
    """Convert any readable recipe to YAML that every version of mergekit reads the same way."""
    with json_output.report_errors(as_json):
        recipe = load_recipe(source, dialect)
    if as_json:
        json_output.print_json(_as_json(recipe))
        if out is not None:
            write_file(out, recipe.to_yaml(), overwrite)
        return
    for line in (f"Read {recipe.origin}.", *(f"{note.severity}: {note}" for note in recipe.notes)):
        print(line, file=sys.stderr)
    if out is None:
        print(recipe.to_yaml(), end="")
    else:
        write_file(out, recipe.to_yaml(), overwrite)


def _as_json(recipe: Recipe) -> dict[str, Any]:
    """A recipe in every format that it can be written in, as JSON data."""
    export = recipe.to_mergekit()
    return {
        "ok": True,
        "problems": json_output.list_problems(recipe.notes),
        "origin": recipe.origin,
        "fingerprint": recipe.fingerprint,
        "recipe": recipe.plain(),
        "yaml": recipe.to_yaml(),
        "mergekit": {"yaml": export.text, "same": export.same, "lost": json_output.list_problems(export.lost)},
        "python": recipe.to_python(),
        "words": recipe.describe(),
    }
