"""``nbmerge publish``: a merged folder onto the Hugging Face Hub."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path
from typing import Annotated

import typer

from nbmerge.cli.arguments import Json, Quiet
from nbmerge.cli.terminal import json_output


def publish(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="A folder that nbmerge merge wrote.")],
    repo_id: Annotated[str, typer.Argument(metavar="ID", help="you/name; it is created unless it is there.")],
    public: Annotated[bool, typer.Option("--public", help="Let everybody see a new model; else only you do.")] = False,
    message: Annotated[str | None, typer.Option("--message", "-m", metavar="TEXT", help="Commit message.")] = None,
    branch: Annotated[
        str | None, typer.Option(metavar="NAME", help="Branch to commit to, which must exist; default: main.")
    ] = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Upload a merged folder with its card. The login is that of: hf auth login (or HF_TOKEN)."""
    from nbmerge.engine.publish import local_models, publish
    from nbmerge.recipe import RECIPE_FILE, Recipe

    done = publish(folder, repo_id, private=not public, message=message, branch=branch)
    for path, name in local_models(Recipe.load(folder / RECIPE_FILE)).items():
        print(
            f"note: {path} is a folder of this machine: card and recipe call it {name}. The headers of the weight files still "
            "hold the recipe as it was merged; merge from Hub ids to have these there, too.",
            file=sys.stderr,
        )
    if as_json:
        json_output.say({"ok": True, **dataclasses.asdict(done)})
    elif not quiet:
        print(f"{done.url}: {'private' if done.private else 'public'}, {done.repo_id}@{done.commit}")
