"""``nbmerge measure``: the distance of models from their base, tensor by tensor, as a table."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from nbmerge.cli.arguments import Csv, Json, Overwrite, check_format, check_new_file, write_file_by
from nbmerge.cli.terminal import json_output
from nbmerge.errors import OutputError


def measure(
    base: Annotated[str, typer.Argument(metavar="BASE", help="Folder or Hub id of the base model.")],
    models: Annotated[
        list[str], typer.Argument(metavar="MODEL", help="Folders or Hub ids of models to compare with it.")
    ],
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="FILE", help="Also write the table to a .csv or .parquet file."),
    ] = None,
    as_json: Json = False,
    as_csv: Csv = False,
    overwrite: Overwrite = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Print no progress; with --out, print no table.")
    ] = False,
) -> None:
    """Print norms, distances and cosines of every tensor, measured in one pass over the weights."""
    check_format(as_json, as_csv)
    if out is not None:
        _check_writable(check_new_file(out, overwrite))
    from nbmerge.cli.terminal.progress import progress_bar
    from nbmerge.cli.terminal.signals import stop_on_ctrl_c
    from nbmerge.cli.terminal.tables import print_table, to_rows
    from nbmerge.statistics import measure_models

    with progress_bar("Measuring", quiet) as listener, stop_on_ctrl_c() as cancel:
        table = measure_models(base, *models, progress=listener, cancel=cancel).table
    if out is not None:
        write = table.to_csv if out.suffix == ".csv" else table.to_parquet
        write_file_by(out, lambda new: write(new, index=False), overwrite)
    if as_json:
        json_output.print_json(to_rows(table))
    elif as_csv:
        table.to_csv(sys.stdout, index=False)
    elif not (quiet and out is not None):
        print_table(table)


def _check_writable(out: Path) -> None:
    """Refuse a table file that could not be written, before the weights are read."""
    if out.suffix not in (".csv", ".parquet"):
        raise OutputError(f"{out} ends neither in .csv nor in .parquet. Choose one of the two.")
    if out.suffix == ".parquet":
        try:
            import pyarrow  # noqa: F401
        except ImportError:
            raise OutputError("Writing Parquet requires pyarrow: pip install pyarrow. Or choose .csv.") from None
