"""``nbmerge measure``: how far models are from their base, tensor by tensor, as a table."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from nbmerge.cli.arguments import Overwrite, new_file
from nbmerge.errors import OutputError


def measure(
    base: Annotated[str, typer.Argument(help="The base model's folder, or its id on the Hub.")],
    models: Annotated[
        list[str], typer.Argument(metavar="MODEL...", help="Folders or Hub ids of the models to compare.")
    ],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Table to write, .csv or .parquet; default: CSV here.")
    ] = None,
    overwrite: Overwrite = False,
) -> None:
    """Write norms, distances and cosines of every tensor as a table, in one pass over the weights."""
    if out is not None:
        _writable(new_file(out, overwrite))
    from nbmerge.cli.progress import progress_bar
    from nbmerge.cli.signals import stop_on_ctrl_c
    from nbmerge.statistics import measure

    with progress_bar("Measuring") as listener, stop_on_ctrl_c() as cancel:
        table = measure(base, *models, progress=listener, cancel=cancel).table
    if out is None:
        table.to_csv(sys.stdout, index=False)
    elif out.suffix == ".csv":
        table.to_csv(out, index=False)
    else:
        table.to_parquet(out, index=False)


def _writable(out: Path) -> None:
    """Refuse before the work what could not be written after it."""
    if out.suffix not in (".csv", ".parquet"):
        raise OutputError(f"{out} is neither .csv nor .parquet. Choose one of the two.")
    if out.suffix == ".parquet":
        try:
            import pyarrow  # noqa: F401
        except ImportError:
            raise OutputError("Writing Parquet needs pyarrow: pip install pyarrow. Or choose .csv.") from None
