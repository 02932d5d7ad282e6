"""``nbmerge fill-missing``: complete a part of a model."""

from __future__ import annotations

from typing import Annotated

import typer

from nbmerge.cli.arguments import Json, OutPlace, Quiet, ReplaceModel
from nbmerge.cli.terminal import json_output


def fill_missing(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="Folder or Hub id of the part, or a weights file.")],
    source: Annotated[
        str, typer.Argument(metavar="SOURCE", help="Complete model that missing tensors are copied from.")
    ],
    out: OutPlace,
    prefix: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Prefix of MODEL's tensor names in SOURCE; default: found from shapes."),
    ] = None,
    dtype: Annotated[str | None, typer.Option(metavar="DTYPE", help="dtype of the result.")] = None,
    overwrite: ReplaceModel = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Complete a part of a model: tensors that it does not have, such as a vision tower, are copied from a complete model."""
    from nbmerge.cli.merge import print_result, result_as_json
    from nbmerge.cli.terminal.progress import progress_bar
    from nbmerge.cli.terminal.signals import stop_on_ctrl_c
    from nbmerge.engine.fill_missing import fill_missing as run

    with (
        json_output.report_errors(as_json),
        progress_bar("Merging", quiet) as listener,
        stop_on_ctrl_c() as cancel,
    ):
        result = run(
            model, source, out, prefix=prefix, dtype=dtype, overwrite=overwrite, progress=listener, cancel=cancel
        )
    if as_json:
        json_output.print_json(result_as_json(result))
    elif not quiet:
        print_result(result)
