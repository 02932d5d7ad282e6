"""``nbmerge merge``: carry out a recipe, with a bar."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nbmerge.cli.arguments import Dialect, Json, OutFolder, Quiet, RecipeSource, ReplaceModel, recipe_of
from nbmerge.cli.terminal import json_output
from nbmerge.sizes import human, parse_size

if TYPE_CHECKING:
    from nbmerge.engine.merge import MergeResult


def _size(text: str) -> int:
    try:
        return parse_size(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def _workers(address: str | None) -> AbstractContextManager[Any]:
    """The workers to send the work to; None for this process."""
    if address is None:
        return nullcontext()
    from nbmerge.engine.cluster import connected

    return connected(address)


def merge(
    recipe: RecipeSource,
    out: OutFolder,
    dialect: Dialect = None,
    dtype: Annotated[
        str | None, typer.Option(metavar="DTYPE", help="dtype of the result, in place of the recipe's.")
    ] = None,
    max_shard_size: Annotated[
        int | None, typer.Option(parser=_size, metavar="SIZE", help="Most weights in one file: 5GB, 2000MiB, bytes.")
    ] = None,
    threads: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Workers; the result does not depend on it.")
    ] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, metavar="N", help="Seed of random masks, in place of the recipe's.")
    ] = None,
    overwrite: ReplaceModel = False,
    allow_nonfinite: Annotated[
        bool, typer.Option("--allow-nonfinite", help="Merge NaN and infinity as they are, instead of stopping.")
    ] = False,
    device: Annotated[
        str | None,
        typer.Option(metavar="DEVICE", help="Mix on an accelerator: cuda, cuda:1, mps, or auto; default cpu."),
    ] = None,
    dask: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="Dask scheduler whose workers do the work (tcp://host:8786).")
    ] = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Merge, and write an ordinary model folder. It appears under its name only when it is complete."""
    from nbmerge.cli.terminal.progress import progress_bar
    from nbmerge.cli.terminal.signals import stop_on_ctrl_c
    from nbmerge.engine.merge import merge

    changes: dict[str, Any] = {} if dtype is None else {"dtype": dtype, "out_dtype": None}
    changes |= {} if seed is None else {"random_seed": seed}
    options = {} if max_shard_size is None else {"max_shard_size": max_shard_size}
    options |= {"overwrite": overwrite, "threads": threads, "allow_nonfinite": allow_nonfinite, "device": device}
    with (
        json_output.refusals(as_json),
        progress_bar("Merging", quiet) as listener,
        stop_on_ctrl_c() as cancel,
        _workers(dask) as executor,
    ):
        loaded = recipe_of(recipe, dialect)
        loaded = loaded.replace(**changes) if changes else loaded
        result = merge(loaded, out, progress=listener, cancel=cancel, executor=executor, **options)
    if as_json:
        json_output.say(_described(result))
    elif not quiet:
        _print_result(result)


def _described(result: MergeResult) -> dict[str, Any]:
    """What was written, as plain data."""
    return {
        "ok": True,
        "path": str(result.path),
        "tensors": len(result.plan.tensors),
        "bytes_written": result.plan.bytes_written,
        "seconds": result.seconds,
        "notes": dict(result.notes),
        "problems": json_output.problems(result.plan.problems),
    }


def _print_result(result: MergeResult) -> None:
    """What was written; on standard error what should be known about it."""
    for problem in result.plan.problems:
        print(f"{problem.severity}: {problem}", file=sys.stderr)
    for words, count in result.notes.items():
        print(f"note: {count} {'tensor' if count == 1 else 'tensors'}: {words}", file=sys.stderr)
    plan, size = result.plan, human(result.plan.bytes_written)
    print(f"{result.path}: {len(plan.tensors)} tensors, {size}, in {result.seconds:.1f} s")
