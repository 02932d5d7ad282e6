"""Recipes in the headers of safetensors files: ours, and what picture-model tools write there."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from nbmerge.checkpoints.header import read_header
from nbmerge.errors import CheckpointError, RecipeError
from nbmerge.recipe.readers.recipe_text import note, reading_error
from nbmerge.recipe.recipe import Recipe
from nbmerge.recipe.yaml_text import MAX_CHARACTERS

OURS = "nbmerge_recipe"
PICTURES = "sd_merge_recipe"


def read(file: Path) -> Recipe:
    """Read the recipe in a safetensors file's header.

    Raises
    ------
    RecipeError
        When there is none, or one that is not for models with layers.
    """
    try:
        metadata = read_header(file)[1]
    except CheckpointError as error:
        what = f"{file.name} is too large for a recipe in text, and no sound safetensors file: {error}"
        raise reading_error(what if file.stat().st_size > MAX_CHARACTERS else str(error)) from error
    if OURS in metadata:
        from nbmerge.recipe.readers import read as read_any

        return read_any(metadata[OURS])
    if PICTURES in metadata:
        return _pictures(metadata[PICTURES], file.name)
    held = ", ".join(sorted(metadata)[:20]) or "nothing"
    raise reading_error(f"the header of {file.name} holds no recipe (it holds {held:.200}).")


def _pictures(text: str, name: str) -> Recipe:
    """A merge of picture models, as the curve that it was; supermerger's weighted sum is the one kind that has one."""
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise reading_error(f"{PICTURES} in {name} is not JSON: {error!s:.100}.") from error
    if not isinstance(data, Mapping):
        raise reading_error(f"{PICTURES} in {name} is not an object.")
    said = "; ".join(f"{k}: {v!s:.60}" for k, v in data.items() if v not in (None, "", False, {}, []))
    weights = data.get("weights_alpha")
    if isinstance(weights, str) and data.get("mode") in ("Weight sum", "Weighted sum", None):
        from nbmerge.recipe.readers.legacy.block_weights import read as read_weights
        from nbmerge.recipe.readers.recipe_text import RecipeText

        # The base has a number of its own there, and the list begins behind it.
        full = weights if weights.count(",") in (19, 25) else f"{data.get('base_alpha', 0)},{weights}"
        try:
            recipe = read_weights(RecipeText(full))
        except RecipeError:
            recipe = None
        if recipe is not None:
            what = f"it was a merge of picture models, which said: {said:.600}."
            return recipe.with_origin(f"supermerger's recipe in {name}", [note(what, severity="warning")])
    raise reading_error(f"{name} is a merge of picture models, which cannot be done with others. It says: {said:.600}.")
