"""``nbmerge shuffle-layers``: write the recipe of a model whose layers are drawn from several models."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nbmerge.cli.arguments import Json, Overwrite, write_file
from nbmerge.cli.terminal import json_output


def shuffle_layers(
    models: Annotated[list[str], typer.Argument(metavar="MODEL...", help="Folders or Hub ids of the models.")],
    weight: Annotated[
        list[float] | None,
        typer.Option(
            "--weight",
            "-w",
            metavar="X",
            help="Relative probability of a model's layers; once for each model, in order.",
        ),
    ] = None,
    seed: Annotated[int, typer.Option(metavar="N", help="The same seed gives the same recipe.")] = 0,
    max_shift: Annotated[
        int, typer.Option(metavar="N", min=0, help="How many layers up or down a layer may move.")
    ] = 0,
    full_random: Annotated[
        bool,
        typer.Option("--full-random", help="Put layers in any order; --weight is the share of a model's layers."),
    ] = False,
    dtype: Annotated[str | None, typer.Option(metavar="DTYPE", help="dtype of the merged model.")] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="FILE", help="File to write; default: standard output.")
    ] = None,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Write the recipe of a model whose layers are drawn at random from several models.

    To merge at once: nbmerge shuffle-layers A B --seed 3 | nbmerge merge - OUT
    """
    from nbmerge.engine.shuffle import shuffle_layers as make_recipe

    with json_output.report_errors(as_json):
        recipe = make_recipe(
            models, weights=weight, seed=seed, max_shift=max_shift, full_random=full_random, dtype=dtype
        )
    text = recipe.to_yaml()
    if out is not None:
        write_file(out, text, overwrite)
    if as_json:
        json_output.print_json({"ok": True, "fingerprint": recipe.fingerprint, "recipe": recipe.plain(), "yaml": text})
    elif out is None:
        print(text, end="")
