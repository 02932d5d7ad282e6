"""``nbmerge extract-lora`` and ``nbmerge merge-adapters``: write adapters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from nbmerge.cli.arguments import Json, OutFolder, Quiet, ReplaceModel
from nbmerge.cli.terminal import json_output

if TYPE_CHECKING:
    from nbmerge.adapters import AdapterReport


def extract_lora(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="Folder or Hub id of the fine-tune.")],
    base: Annotated[str, typer.Argument(metavar="BASE", help="Folder or Hub id of the model it was trained from.")],
    out: OutFolder,
    rank: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=1,
            help="Rank of every module, or its maximum with --energy; default 32, or 256 with --energy.",
        ),
    ] = None,
    energy: Annotated[
        float | None,
        typer.Option(
            metavar="SHARE",
            help="Choose each module's rank: the lowest that keeps this share of its change, such as 0.9.",
        ),
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

    with progress_bar("Extracting", quiet) as listener, stop_on_ctrl_c() as cancel:
        found = run_extraction(
            model, base, out, rank=rank, energy=energy, dtype=dtype, overwrite=overwrite, progress=listener, cancel=cancel
        )  # fmt: skip
    _print_report(found, as_json, quiet)


def merge_adapters(
    adapters: Annotated[list[str], typer.Argument(metavar="ADAPTER...", help="Folders or Hub ids of LoRA adapters.")],
    out: OutFolder,
    method: Annotated[
        str,
        typer.Option(
            metavar="TYPE", help="Combination type, as in peft: svd, cat, linear, ties_svd, dare_ties_svd, ..."
        ),
    ] = "svd",
    weight: Annotated[
        list[float] | None, typer.Option(metavar="W", help="Weight; once for all adapters, or once for each, in order.")
    ] = None,
    rank: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=1,
            help="Rank of every module, or its maximum with --energy; default the highest of the adapters.",
        ),
    ] = None,
    energy: Annotated[
        float | None,
        typer.Option(
            metavar="SHARE",
            help="Choose each module's rank: the lowest that keeps this share of its change, such as 0.9.",
        ),
    ] = None,
    density: Annotated[
        float | None, typer.Option(metavar="SHARE", help="Share of elements kept by ties, dare and magnitude_prune.")
    ] = None,
    consensus: Annotated[str, typer.Option(metavar="HOW", help="How ties elects signs: sum or count.")] = "sum",
    election: Annotated[
        str,
        typer.Option(metavar="HOW", help="Elect signs without weights (plain, as in peft) or with weights (weighted)."),
    ] = "plain",
    seed: Annotated[int, typer.Option(metavar="N", help="Seed of the random masks of dare.")] = 0,
    base: Annotated[
        str | None,
        typer.Option(
            metavar="MODEL", help="Base model of the adapters; needed if they save whole modules or are DoRA."
        ),
    ] = None,
    dtype: Annotated[
        str | None, typer.Option(metavar="DTYPE", help="dtype of the factors; default that of the adapters.")
    ] = None,
    overwrite: ReplaceModel = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Merge LoRA adapters of one model into one adapter. Prints ranks and error by kind; peft loads the folder."""
    from nbmerge.adapters import merge_adapters as run_merge
    from nbmerge.cli.terminal.progress import progress_bar
    from nbmerge.cli.terminal.signals import stop_on_ctrl_c

    weights = weight[0] if weight and len(weight) == 1 else weight or 1.0
    signs: dict[str, Any] = {"consensus": consensus, "election": election}
    with progress_bar("Merging adapters", quiet) as listener, stop_on_ctrl_c() as cancel:
        found = run_merge(
            adapters, out, method=method, weights=weights, rank=rank, energy=energy, density=density, **signs, seed=seed,
            base=base, dtype=dtype, overwrite=overwrite, progress=listener, cancel=cancel,
        )  # fmt: skip
    _print_report(found, as_json, quiet)


def _print_report(found: AdapterReport, as_json: bool, quiet: bool) -> None:
    """Print what an adapter holds."""
    from nbmerge.cli.terminal.tables import to_rows

    if as_json:
        numbers = {"seconds": found.seconds, "bytes": found.nbytes, "error": found.error}
        json_output.print_json({"ok": True, "path": str(found.path), **numbers, "tensors": to_rows(found.table)})
    elif not quiet:
        print(found)
        for kind, shares in found.kept().iterrows():
            print(f"{kind}: " + ", ".join(f"rank {rank} holds {share:.1%}" for rank, share in shares.items()))
