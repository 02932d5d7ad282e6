"""``nbmerge publish``: upload a merged model to the Hugging Face Hub."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path
from typing import Annotated

import typer

from nbmerge.cli.arguments import Json, Quiet
from nbmerge.cli.terminal import json_output


def publish(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Model folder written by nbmerge merge.")],
    repo_id: Annotated[
        str, typer.Argument(metavar="REPO_ID", help="Repository, as you/name; created if it does not exist.")
    ],
    public: Annotated[bool, typer.Option("--public", help="Make a new repository public; default: private.")] = False,
    message: Annotated[str | None, typer.Option("--message", "-m", metavar="TEXT", help="Commit message.")] = None,
    branch: Annotated[
        str | None, typer.Option(metavar="NAME", help="Existing branch to commit to; default: main.")
    ] = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Upload a merged model with its card. Log in first with hf auth login, or set HF_TOKEN."""
    from nbmerge.engine.publish import local_models, publish
    from nbmerge.recipe import RECIPE_FILE, Recipe

    published = publish(folder, repo_id, private=not public, message=message, branch=branch)
    for path, name in local_models(Recipe.load(folder / RECIPE_FILE)).items():
        print(
            f"note: {path} is a local folder; the uploaded card and recipe name it {name}. The headers of the weight files still "
            "contain the original recipe; merge from Hub ids to have Hub ids there, too.",
            file=sys.stderr,
        )
    if as_json:
        json_output.print_json({"ok": True, **dataclasses.asdict(published)})
    elif not quiet:
        print(
            f"{published.url}: {'private' if published.private else 'public'}, {published.repo_id}@{published.commit}"
        )
