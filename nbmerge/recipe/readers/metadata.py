"""Recipes in the headers of safetensors files: ours, and those that tools for image models write."""

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
IMAGES = "sd_merge_recipe"


def read(file: Path) -> Recipe:
    """Read the recipe in a safetensors file's header.

    Raises
    ------
    RecipeError
        When there is none, or one for models without layers.
    """
    try:
        metadata = read_header(file)[1]
    except CheckpointError as error:
        what = f"{file.name} is too large for a recipe and is not a valid safetensors file: {error}"
        raise reading_error(what if file.stat().st_size > MAX_CHARACTERS else str(error)) from error
    if OURS in metadata:
        from nbmerge.recipe.readers import read as read_any

        return read_any(metadata[OURS])
    if IMAGES in metadata:
        return _image_merge(metadata[IMAGES], file.name)
    keys = ", ".join(sorted(metadata)[:20]) or "none"
    raise reading_error(f"the header of {file.name} contains no recipe (its keys: {keys:.200}).")


def _image_merge(text: str, name: str) -> Recipe:
    """A merge of image models as a curve over layers, which only supermerger's weighted sum has."""
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise reading_error(f"{IMAGES} in {name} is not JSON: {error!s:.100}.") from error
    if not isinstance(data, Mapping):
        raise reading_error(f"{IMAGES} in {name} is not an object.")
    settings = "; ".join(f"{k}: {v!s:.60}" for k, v in data.items() if v not in (None, "", False, {}, []))
    weights = data.get("weights_alpha")
    if isinstance(weights, str) and data.get("mode") in ("Weight sum", "Weighted sum", None):
        from nbmerge.recipe.readers.legacy.block_weights import read as read_weights
        from nbmerge.recipe.readers.recipe_text import RecipeText

        # BASE is stored separately there, and the list begins after it.
        full = weights if weights.count(",") in (19, 25) else f"{data.get('base_alpha', 0)},{weights}"
        try:
            recipe = read_weights(RecipeText(full))
        except RecipeError:
            recipe = None
        if recipe is not None:
            what = f"it was a merge of image models with these settings: {settings:.600}."
            return recipe.with_origin(f"supermerger's recipe in {name}", [note(what, severity="warning")])
    raise reading_error(
        f"{name} contains a merge of image models, which does not apply to language models. Its settings: {settings:.600}."
    )
