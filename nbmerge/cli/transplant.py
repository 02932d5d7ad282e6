"""``nbmerge transplant``: a model with the tokenizer of another."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def transplant(
    model: Annotated[str, typer.Argument(help="The model that gets a tokenizer.")],
    donor: Annotated[str, typer.Argument(help="The model whose tokenizer it gets.")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Folder to create.")],
    way: Annotated[
        str,
        typer.Option(
            help="pieces: the mean of what a token is cut into. pursuit: matching pursuit over shared tokens."
        ),
    ] = "pieces",
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace a model folder, once the new one is complete.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress, and no words on success.")] = False,
) -> None:
    """Give a model the tokenizer of another: shared tokens keep their rows, the others are approximated."""
    from nbmerge.cli.progress import progress_bar
    from nbmerge.cli.signals import stop_on_ctrl_c
    from nbmerge.engine.transplant import WAYS
    from nbmerge.engine.transplant import transplant as carry_out

    if way not in WAYS:
        raise typer.BadParameter(f"one of {', '.join(WAYS)}", param_hint="--way")
    with progress_bar("Transplanting", quiet) as listener, stop_on_ctrl_c() as cancel:
        done = carry_out(model, donor, out, way=way, overwrite=overwrite, progress=listener, cancel=cancel)
    if not quiet:
        print(done)
