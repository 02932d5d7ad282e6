"""Command lines that only name a file: ``mergekit-yaml recipe.yml OUT``. The recipe is that file's."""

from __future__ import annotations

from pathlib import Path

from nbmerge.recipe.readers.command import FLAG, VALUE, Command, find_commands, parse_options
from nbmerge.recipe.readers.recipe_text import RecipeText, note, read_file, reading_error
from nbmerge.recipe.readers.shared_options import SHARED, note_unused_options
from nbmerge.recipe.recipe import Recipe

OURS = {
    "out": VALUE, "dtype": VALUE, "max-shard-size": VALUE, "threads": VALUE, "seed": VALUE, "overwrite": FLAG,
    "json": FLAG, "dask": VALUE,
}  # fmt: skip
PROGRAMS = {
    "mergekit-yaml": SHARED, "mergekit-multi": {**SHARED, "out-path": VALUE, "intermediate-dir": VALUE, "lazy": FLAG},
    "bakllama": SHARED, "bakllama.py": SHARED, "nbmerge": OURS,
    "BlockMerge_Gradient_Tensors_YAML.py": {"config": VALUE},
}  # fmt: skip
"""Programs whose first argument, or ``--config``, is the file, and their options."""


def read(text: RecipeText) -> Recipe | None:
    """Read the file that the first such command in a text names."""
    if not any(program in text.raw for program in PROGRAMS):
        return None
    for command in find_commands(text.raw, text.above):
        if command.program in PROGRAMS:
            return _recipe(command)
    return None


def _load(file: str, command: Command) -> Recipe:
    """The file's recipe, which is always YAML: a file that names a command could continue without end."""
    from nbmerge.recipe.readers import read as read_any

    try:
        raw = read_file(Path(file).expanduser().resolve())
    except (OSError, ValueError, RuntimeError) as error:
        why = getattr(error, "strerror", None) or f"{error!s:.300}"
        what = f"{command.program} reads {file!r:.200}, which cannot be read: {why}."
        raise reading_error(what, "Paste the contents of that file, or load it.", line=command.line) from error
    return read_any(raw, 0, "program")


def _recipe(command: Command) -> Recipe | None:
    given = parse_options(command, PROGRAMS[command.program], {"v": "v", "j": "j", "I": "intermediate-dir"})
    words = [w for w in given.rest if w not in ("merge", "check", "plan", "convert")]
    file = given.one("config") or next(iter(words), None)
    if file is None:
        raise reading_error(f"{command.program} is called without a recipe file.", line=command.line)
    if any(c in file for c in "\n\0"):
        return None
    recipe = _load(file, command)
    if (seed := given.one("random-seed") or given.one("seed")) is not None:
        recipe = recipe.replace(random_seed=seed).with_origin(like=recipe)
    notes = [
        note(f"the output folder {w} is ignored: it is not part of a recipe.", line=command.line) for w in words[1:2]
    ]
    return recipe.with_origin(f"{recipe.origin}, named in a command", notes + note_unused_options(given, (), command))
