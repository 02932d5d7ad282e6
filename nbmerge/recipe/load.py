"""Read a recipe from wherever it is: a text, a file, a merged folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from nbmerge.errors import RecipeError
from nbmerge.problems import Problem, nearest
from nbmerge.recipe.ends import spelled_out
from nbmerge.recipe.model import Recipe, documents
from nbmerge.recipe.text import MAX_CHARACTERS, parse

RECIPE_FILE = "nbmerge_recipe.yml"
"""Our recipe's name in a merged folder."""

MAX_PATH = 4096
"""No path is longer; what is longer is a text."""

DIALECTS = {"nbmerge": None, "mergekit-0.1": 0.0}
"""Position in a gradient that final norm and head take, where it differs from ours."""


def load(source: str | Path | Mapping | Recipe, dialect: str | None = None) -> Recipe:
    """See `Recipe.load`."""
    if dialect is not None and dialect not in DIALECTS:
        raise _refused(f"unknown dialect '{dialect}'. {nearest(dialect, DIALECTS)}")
    if isinstance(source, Recipe):
        return source
    if isinstance(source, Mapping):
        recipe, found = Recipe.of(source), "plain data"
    else:
        text, found = _text_of(source)
        read = [(data, lines) for data, lines in parse(text) if data is not None]
        if not read or not all(isinstance(data, Mapping) for data, _ in read):
            raise _refused(f"{found} holds no recipe: a recipe is a mapping with 'merge_method' and 'models' or 'slices'.")
        recipes = [Recipe.of(data, lines) for data, lines in read]
        recipe = recipes[0] if len(recipes) == 1 else documents(recipes)
    recipe._found = found
    t = DIALECTS.get(dialect or "nbmerge")
    return recipe if t is None else spelled_out(recipe, t)


def _text_of(source: str | Path) -> tuple[str, str]:
    """The YAML text and, in words, where it came from."""
    if isinstance(source, str) and ("\n" in source or ": " in source or len(source) > MAX_PATH):
        return source, "YAML text"
    try:
        path = Path(source).expanduser()
        if path.is_dir():
            names = (RECIPE_FILE, "mergekit_config.yml")
            file = next((path / n for n in names if (path / n).is_file()), None)
            if file is None:
                raise _refused(f"the folder {path} holds no recipe (looked for {' and '.join(names)}).")
            return _read(file), f"the recipe of the merged model {path.name}"
        if path.is_file():
            return _read(path), f"the YAML file {path.name}"
    except (OSError, RuntimeError) as error:
        raise _refused(f"{source} cannot be read: {getattr(error, 'strerror', None) or error}.") from error
    raise _refused(f"'{str(source)}' is neither a file, a merged model's folder nor the text of a recipe.")


def _read(file: Path) -> str:
    if file.stat().st_size > 4 * MAX_CHARACTERS:
        raise _refused(f"{file} is too large for a recipe ({file.stat().st_size:,} bytes).")
    try:
        return file.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise _refused(f"{file} is not a text file (byte {error.start} is not UTF-8).") from error


def _refused(what: str) -> RecipeError:
    return RecipeError([Problem("error", (), what)])
