"""``nbmerge verify``: compare a merged model with its checksums and its recipe."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nbmerge.cli.arguments import Json, Quiet
from nbmerge.cli.terminal import json_output


def verify(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Model folder written by nbmerge.")],
    derive: Annotated[
        bool, typer.Option("--derive", help="Also recompute every tensor from the recipe and its models.")
    ] = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Compare a merged model with its recorded checksums. Exit status 1 if any tensor differs."""
    from nbmerge.cli.terminal.progress import progress_bar
    from nbmerge.cli.terminal.signals import stop_on_ctrl_c
    from nbmerge.engine.verify import verify

    with progress_bar("Verifying", quiet) as listener, stop_on_ctrl_c() as cancel:
        verification = verify(folder, derive, progress=listener, cancel=cancel)
    if as_json:
        fields = ("path", "checked", "damaged", "derived", "differing", "device")
        json_output.print_json(
            {"ok": verification.ok, **{name: json_output.to_json_value(getattr(verification, name)) for name in fields}}
        )
    elif not (quiet and verification.ok):
        print(verification)
    raise typer.Exit(0 if verification.ok else 1)
