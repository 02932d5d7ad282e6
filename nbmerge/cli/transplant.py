"""``nbmerge transplant``: a model with the tokenizer of another."""

from __future__ import annotations

import dataclasses
from typing import Annotated

import typer

from nbmerge.cli.arguments import Json, OutFolder, Quiet, ReplaceModel
from nbmerge.cli.terminal import json_output


def transplant(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="The model that gets a tokenizer.")],
    donor: Annotated[str, typer.Argument(metavar="DONOR", help="The model whose tokenizer it gets.")],
    out: OutFolder,
    way: Annotated[
        str,
        typer.Option(
            metavar="WAY",
            help="pieces: the mean of what a token is cut into. pursuit: matching pursuit over shared tokens.",
        ),
    ] = "pieces",
    overwrite: ReplaceModel = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Give a model the tokenizer of another: shared tokens keep their rows, the others are approximated."""
    from nbmerge.cli.terminal.progress import progress_bar
    from nbmerge.cli.terminal.signals import stop_on_ctrl_c
    from nbmerge.engine.transplant import WAYS
    from nbmerge.engine.transplant import transplant as carry_out

    if way not in WAYS:
        raise typer.BadParameter(f"one of {', '.join(WAYS)}", param_hint="--way")
    with progress_bar("Transplanting", quiet) as listener, stop_on_ctrl_c() as cancel:
        done = carry_out(model, donor, out, way=way, overwrite=overwrite, progress=listener, cancel=cancel)
    if as_json:
        rows = [dataclasses.asdict(row) for row in done.rows]
        json_output.say({"ok": True, "path": str(done.path), "seconds": done.result.seconds, "rows": rows})
    elif not quiet:
        print(done)
