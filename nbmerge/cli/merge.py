"""``nbmerge merge``: run a recipe, with a progress bar."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nbmerge.cli.arguments import Dialect, Json, OutPlace, Quiet, RecipeSource, ReplaceModel, load_recipe
from nbmerge.cli.terminal import json_output
from nbmerge.sizes import human, parse_size

if TYPE_CHECKING:
    from nbmerge.engine.merge import MergeResult
    from nbmerge.recipe import Recipe


def _parse_size(text: str) -> int:
    try:
        return parse_size(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def _open_executor(address: str | None) -> AbstractContextManager[Any]:
    """A Dask client for an address; None to merge in this process."""
    if address is None:
        return nullcontext()
    from nbmerge.engine.cluster import connected

    return connected(address)


Dtype = Annotated[str | None, typer.Option(metavar="DTYPE", help="dtype of the merged model; overrides the recipe.")]
ShardSize = Annotated[
    int | None,
    typer.Option(parser=_parse_size, metavar="SIZE", help="Maximum size of a weights file: 5GB, 2000MiB, or bytes."),
]
Threads = Annotated[int | None, typer.Option(min=1, metavar="N", help="Number of threads; does not change the result.")]
Seed = Annotated[int | None, typer.Option(min=0, metavar="N", help="Seed of random numbers; overrides the recipe.")]
AllowNonfinite = Annotated[
    bool, typer.Option("--allow-nonfinite", help="Merge NaN and infinity instead of stopping with an error.")
]


def merge(
    recipe: RecipeSource,
    out: OutPlace,
    dialect: Dialect = None,
    dtype: Dtype = None,
    max_shard_size: ShardSize = None,
    threads: Threads = None,
    seed: Seed = None,
    overwrite: ReplaceModel = False,
    allow_nonfinite: AllowNonfinite = False,
    device: Annotated[
        str | None,
        typer.Option(metavar="DEVICE", help="Device to merge on: cpu (default), cuda, cuda:1, mps or auto."),
    ] = None,
    dask: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="Merge on the workers of this Dask scheduler, e.g. tcp://host:8786."),
    ] = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Merge models and write a model folder. The output folder appears only when it is complete."""
    changes: dict[str, Any] = {} if dtype is None else {"dtype": dtype, "out_dtype": None}
    changes |= {} if seed is None else {"random_seed": seed}
    options: dict[str, Any] = {} if max_shard_size is None else {"max_shard_size": max_shard_size}
    options |= {"overwrite": overwrite, "threads": threads, "allow_nonfinite": allow_nonfinite, "device": device}
    _run(lambda: load_recipe(recipe, dialect), out, changes, options, dask, as_json, quiet)


def moe(
    recipe: RecipeSource,
    out: OutPlace,
    dtype: Dtype = None,
    max_shard_size: ShardSize = None,
    threads: Threads = None,
    seed: Seed = None,
    overwrite: ReplaceModel = False,
    allow_nonfinite: AllowNonfinite = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Build a mixture of experts from a file for mergekit-moe. The output folder appears only when it is complete."""
    changes: dict[str, Any] = {} if dtype is None else {"dtype": dtype, "out_dtype": None}
    changes |= {} if seed is None else {"random_seed": seed}
    options: dict[str, Any] = {} if max_shard_size is None else {"max_shard_size": max_shard_size}
    options |= {"overwrite": overwrite, "threads": threads, "allow_nonfinite": allow_nonfinite}

    def load() -> Recipe:
        from nbmerge.mixtures import require_experts

        return require_experts(load_recipe(recipe))

    _run(load, out, changes, options, None, as_json, quiet)


def _run(
    load: Callable[[], Recipe], out: Path, changes: dict[str, Any], options: dict[str, Any], dask: str | None, as_json: bool,
    quiet: bool,
) -> None:  # fmt: skip
    """Merge, with a progress bar, and print the result."""
    from nbmerge.checkpoints import hub
    from nbmerge.cli.terminal.progress import progress_bar
    from nbmerge.cli.terminal.signals import stop_on_ctrl_c
    from nbmerge.engine.planning import plan
    from nbmerge.engine.read_ahead import reading_ahead

    with (
        json_output.report_errors(as_json),
        progress_bar("Merging", quiet) as listener,
        stop_on_ctrl_c() as cancel,
        _open_executor(dask) as executor,
    ):
        loaded = load()
        with hub.stopped_by(cancel):
            planned = plan(loaded.replace(**changes) if changes else loaded)
        with reading_ahead(planned.tensors if "torch" not in sys.modules else ()):
            from nbmerge.engine.merge import merge
        result = merge(planned, out, progress=listener, cancel=cancel, executor=executor, **options)
    if as_json:
        json_output.print_json(result_as_json(result))
    elif not quiet:
        print_result(result)


def result_as_json(result: MergeResult) -> dict[str, Any]:
    """A result as JSON data."""
    return {
        "ok": True,
        "path": str(result.path),
        "tensors": len(result.plan.tensors),
        "bytes_written": result.plan.bytes_written,
        "seconds": result.seconds,
        "notes": dict(result.notes),
        "problems": json_output.list_problems((*result.plan.problems, *result.warnings)),
    }


def print_result(result: MergeResult) -> None:
    """Print a result, and its warnings and notes on standard error."""
    for problem in (*result.plan.problems, *result.warnings):
        print(f"{problem.severity}: {problem}", file=sys.stderr)
    for note, count in result.notes.items():
        print(f"note: {count} {'tensor' if count == 1 else 'tensors'}: {note}", file=sys.stderr)
    plan, size = result.plan, human(result.plan.bytes_written)
    print(f"{result.path}: {len(plan.tensors)} tensors, {size}, in {result.seconds:.1f} s")
