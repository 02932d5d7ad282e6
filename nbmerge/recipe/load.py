"""Read a recipe from a text, a file, a merged model folder or the Hub."""

from __future__ import annotations

import os
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any

from nbmerge.checkpoints import hub
from nbmerge.errors import CheckpointError, RecipeError
from nbmerge.model_ref import ModelRef
from nbmerge.recipe import dialects, readers
from nbmerge.recipe.readers import mergekit, metadata
from nbmerge.recipe.readers.recipe_text import read_file, reading_error
from nbmerge.recipe.recipe import Recipe

RECIPE_FILE = "nbmerge_recipe.yml"
"""File name of the recipe in a merged model folder."""
IN_FOLDERS = (RECIPE_FILE, "mergekit_config.yml", "README.md")
"""Files of a merged model folder that may contain its recipe, the most reliable first."""

MAX_MODELS = 500
"""Most models of one recipe; each may be looked up on the Hub."""
MAX_PATH = 4096
"""Longest path; anything longer is a text."""


def load(source: str | PathLike[str] | Mapping[str, Any] | Recipe, dialect: str | None = None) -> Recipe:
    """See `Recipe.load`."""
    dialects.check_dialect(dialect)
    if isinstance(source, Recipe):
        return source
    if not isinstance(source, str | PathLike | Mapping):
        what = "a recipe is a Recipe, a mapping, YAML text or the path of a file or merged model folder"
        raise reading_error(f"{what}, not {type(source).__name__}.")
    try:
        if isinstance(source, Mapping):
            recipe = mergekit.of(source)
        elif isinstance(source, str) and _is_text(source):
            recipe = readers.read(source)
        else:
            recipe = _from_path(source)
    except RecursionError as error:
        raise reading_error("the recipe is nested too deeply.") from error
    if (count := len(recipe.references)) > MAX_MODELS:
        raise reading_error(f"{count:,} models are too many for a recipe (at most {MAX_MODELS}).")
    return dialects.apply_dialect(recipe, dialect)


def _is_text(source: str) -> bool:
    if "\n" in source or len(source) > MAX_PATH:
        return True
    return ": " in source and not _exists(source)


def _exists(source: str) -> bool:
    try:
        return Path(source).expanduser().exists()
    except (OSError, RuntimeError, ValueError):
        return False


def _from_path(source: str | PathLike[str]) -> Recipe:
    why = ""
    try:
        path = Path(source).expanduser()
        if path.is_dir():
            return _load_folder(path)
        if path.is_file():
            return load_file(path)
    except RecipeError:
        raise
    except (OSError, RuntimeError, ValueError) as error:
        why = f" ({getattr(error, 'strerror', None) or error})"
    recipe = readers.read_line(str(source))  # a command, or block weights
    if recipe is None and isinstance(source, str):
        try:
            folder = hub.find(ModelRef.of(source), ask="/" in source)
        except (CheckpointError, ValueError) as error:
            why = why or (f" ({error})" if "/" in source else "")
        else:
            return _load_folder(folder, source)
    if recipe is None:
        what = "it is not a file, a merged model folder or the text of a recipe"
        raise reading_error(f"'{source!s:.200}' is not a recipe: {what}{why}.")
    return recipe


def load_file(file: str | Path) -> Recipe:
    """Read a recipe from a file.

    Raises
    ------
    RecipeError
        When it cannot be read or contains none.
    """
    path = Path(file)
    if path.suffix == ".safetensors":
        recipe = metadata.read(path)
        return recipe.with_origin(
            recipe.origin if path.name in recipe.origin else f"the recipe in the header of {path.name}"
        )
    recipe = readers.read(read_file(path.resolve()))
    plain = recipe.origin == mergekit.FOUND
    return recipe.with_origin(f"the YAML file {path.name}" if plain else f"{recipe.origin} in {path.name}")


def _load_folder(path: Path, name: str = "") -> Recipe:
    name = name or path.name
    files = [path / n for n in IN_FOLDERS if os.path.lexists(path / n)]
    for file in files:
        try:
            recipe = readers.read(read_file(file))
        except RecipeError:
            if file.name != IN_FOLDERS[-1]:
                raise
            continue  # a model card without a recipe
        return recipe.with_origin(f"the recipe of the merged model {name}")
    for file in sorted(path.glob("*.safetensors"))[:1]:
        try:
            return metadata.read(file).with_origin(f"the recipe in the header of {file.name} in {name}")
        except RecipeError as error:
            raise reading_error(
                f"the folder {path} contains no recipe: neither {' nor '.join(IN_FOLDERS)} has one. {error} If it is a "
                "model, name it among the models of a recipe."
            ) from error
    raise reading_error(
        f"the folder {path} contains no recipe (searched {', '.join(IN_FOLDERS[:2])}, a model card and safetensors)."
    )
