"""``nbmerge extract-lora``: write the difference of two models as an adapter."""

from __future__ import annotations

from typing import Annotated

import typer

from nbmerge.cli.arguments import Json, OutFolder, Quiet, ReplaceModel
from nbmerge.cli.terminal import json_output


def extract_lora(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="Folder or Hub id of the fine-tune.")],
    base: Annotated[str, typer.Argument(metavar="BASE", help="Folder or Hub id of the model it was trained from.")],
    out: OutFolder,
    rank: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, help="Rank of every module, or with --energy the most; default 32, or 256."),
    ] = None,
    energy: Annotated[
        float | None,
        typer.Option(metavar="SHARE", help="Choose each module's rank: the lowest that holds this share, such as 0.9."),
    ] = None,
    dtype: Annotated[
        str | None, typer.Option(metavar="DTYPE", help="dtype of the factors; default that of the model.")
    ] = None,
    overwrite: ReplaceModel = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Extract a LoRA adapter from a fine-tune. Prints ranks and error by kind; peft loads the folder."""
    from nbmerge.adapters import extract_lora as run_extraction
    from nbmerge.cli.terminal.progress import progress_bar
    from nbmerge.cli.terminal.signals import stop_on_ctrl_c
    from nbmerge.cli.terminal.tables import to_rows

    with progress_bar("Extracting", quiet) as listener, stop_on_ctrl_c() as cancel:
        found = run_extraction(
            model, base, out, rank=rank, energy=energy, dtype=dtype, overwrite=overwrite, progress=listener, cancel=cancel
        )  # fmt: skip
    if as_json:
        numbers = {"seconds": found.seconds, "bytes": found.nbytes, "error": found.error}
        json_output.print_json({"ok": True, "path": str(found.path), **numbers, "tensors": to_rows(found.table)})
    elif not quiet:
        print(found)
        for kind, shares in found.kept().iterrows():
            print(f"{kind}: " + ", ".join(f"rank {rank} holds {share:.1%}" for rank, share in shares.items()))
