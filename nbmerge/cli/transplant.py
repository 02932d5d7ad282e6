"""``nbmerge transplant``: give a model another model's tokenizer."""

from __future__ import annotations

import dataclasses
from typing import Annotated

import typer

from nbmerge.cli.arguments import Json, OutFolder, Quiet, ReplaceModel
from nbmerge.cli.terminal import json_output


def transplant(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="Folder or Hub id of the model.")],
    donor: Annotated[
        str, typer.Argument(metavar="DONOR", help="Folder or Hub id of the model whose tokenizer it gets.")
    ],
    out: OutFolder,
    way: Annotated[
        str,
        typer.Option(
            metavar="WAY",
            help="How to compute rows of new tokens: pieces (mean of the token's pieces) or pursuit (matching pursuit).",
        ),
    ] = "pieces",
    overwrite: ReplaceModel = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Give a model another model's tokenizer. Shared tokens keep their rows, the others are approximated."""
    from nbmerge.cli.terminal.progress import progress_bar
    from nbmerge.cli.terminal.signals import stop_on_ctrl_c
    from nbmerge.engine.transplant import WAYS
    from nbmerge.engine.transplant import transplant as run_transplant

    if way not in WAYS:
        raise typer.BadParameter(f"choose one of: {', '.join(WAYS)}.", param_hint="--way")
    with progress_bar("Transplanting", quiet) as listener, stop_on_ctrl_c() as cancel:
        transplanted = run_transplant(model, donor, out, way=way, overwrite=overwrite, progress=listener, cancel=cancel)
    if as_json:
        rows = [dataclasses.asdict(row) for row in transplanted.rows]
        json_output.print_json(
            {"ok": True, "path": str(transplanted.path), "seconds": transplanted.result.seconds, "rows": rows}
        )
    elif not quiet:
        print(transplanted)
