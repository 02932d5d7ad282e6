"""``nbmerge measure``: how far models are from their base, tensor by tensor, as a table."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from nbmerge.cli.arguments import Csv, Json, Overwrite, new_file, one_format
from nbmerge.cli.terminal import json_output
from nbmerge.errors import OutputError


def measure(
    base: Annotated[str, typer.Argument(metavar="BASE", help="The base model's folder, or its id on the Hub.")],
    models: Annotated[list[str], typer.Argument(metavar="MODEL", help="Folders or Hub ids of the models to compare.")],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="FILE", help="Also write the table, as .csv or .parquet.")
    ] = None,
    as_json: Json = False,
    as_csv: Csv = False,
    overwrite: Overwrite = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress, and no table if --out writes it.")] = False,
) -> None:
    """Show norms, distances and cosines of every tensor, measured in one pass over the weights."""
    one_format(as_json, as_csv)
    if out is not None:
        _writable(new_file(out, overwrite))
    from nbmerge.cli.terminal.progress import progress_bar
    from nbmerge.cli.terminal.signals import stop_on_ctrl_c
    from nbmerge.cli.terminal.tables import as_rows, print_table
    from nbmerge.statistics import measure

    with progress_bar("Measuring", quiet) as listener, stop_on_ctrl_c() as cancel:
        table = measure(base, *models, progress=listener, cancel=cancel).table
    if out is not None:
        table.to_csv(out, index=False) if out.suffix == ".csv" else table.to_parquet(out, index=False)
    if as_json:
        json_output.say(as_rows(table))
    elif as_csv:
        table.to_csv(sys.stdout, index=False)
    elif not (quiet and out is not None):
        print_table(table)


def _writable(out: Path) -> None:
    """Refuse before the work what could not be written after it."""
    if out.suffix not in (".csv", ".parquet"):
        raise OutputError(f"{out} is neither .csv nor .parquet. Choose one of the two.")
    if out.suffix == ".parquet":
        try:
            import pyarrow  # noqa: F401
        except ImportError:
            raise OutputError("Writing Parquet needs pyarrow: pip install pyarrow. Or choose .csv.") from None
