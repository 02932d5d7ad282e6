"""Names of the models of a merge for publication: Hub ids, and never local paths."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from nbmerge.recipe import ModelRef, Recipe
from nbmerge.recipe.parts import plain

_CACHED = re.compile(r"models--(?P<id>[^/\\]+)[/\\]snapshots[/\\](?P<commit>[0-9a-f]{7,40})$")


def public_names(recipe: Recipe) -> dict[str, str]:
    """Map each local path in a recipe to the name that is published instead.

    A snapshot in the Hugging Face cache gets its Hub id and commit, any other folder its own name. Folders with the same name
    get a number.
    """
    refs = [ref for part in (recipe, *recipe.merges) for ref in part.references]
    feeding = {merge.name for merge in recipe.merges}
    donors = (text for text in _texts(plain(recipe, model=lambda ref: None)) if _has_parents(text))  # of tokenizers
    every = (*(path for ref in refs for path in (ref.path, *ref.lora)), *donors)
    paths = dict.fromkeys(path for path in every if path not in feeding and _is_local(path))
    names: dict[str, str] = {}
    for path in paths:
        names[path] = _unused(_name(path), {*names.values(), *(n for n in feeding if n)})
    return names


def with_names(recipe: Recipe, names: Mapping[str, str]) -> Recipe:
    """Rename the models of a recipe; a commit in a name becomes the revision."""

    def renamed(ref: ModelRef) -> object:
        path, _, commit = names[ref.path].partition("@") if ref.path in names else (ref.path, "", "")
        return replace(ref, path=path, revision=commit or ref.revision, lora=_all(ref.lora, names)).plain()

    return Recipe.of(_replaced(plain(recipe, model=renamed), names))


def replace_names(text: str, names: Mapping[str, str]) -> str:
    """Replace all these paths in a text, the longest first, because one may begin with another."""
    ordered = sorted((path for path in names if _has_parents(path)), key=len, reverse=True)
    if not ordered:
        return text
    return re.sub("|".join(map(re.escape, ordered)), lambda path: names[path[0]], text)


def _texts(data: Any) -> Iterator[str]:
    """Every text in plain data."""
    if isinstance(data, str):
        yield data
    elif isinstance(data, Mapping | list | tuple):
        for value in data.values() if isinstance(data, Mapping) else data:
            yield from _texts(value)


def _replaced(data: Any, names: Mapping[str, str]) -> Any:
    """Plain data with texts replaced that are such a name as a whole."""
    if isinstance(data, str):
        return names.get(data, data)
    if isinstance(data, Mapping):
        return {key: _replaced(value, names) for key, value in data.items()}
    return [_replaced(value, names) for value in data] if isinstance(data, list | tuple) else data


def _all(paths: Iterable[str], names: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(names.get(path, path) for path in paths)


def _has_parents(path: str) -> bool:
    """Whether a path is more than the name of a folder."""
    return Path(path).name != path


def _is_local(path: str) -> bool:
    folder = Path(path).expanduser()
    return folder.is_absolute() or path.startswith((".", "~")) or folder.exists()


def _name(path: str) -> str:
    folder = Path(path).expanduser().absolute()
    if snapshot := _CACHED.search(str(folder)):
        return f"{snapshot['id'].replace('--', '/')}@{snapshot['commit']}"
    return re.sub(r"[@+\s]+", "-", Path(os.path.normpath(folder)).name) or "model"


def _unused(name: str, taken: set[str]) -> str:
    """The name, with a number after it where it is taken."""
    count = 1
    while (numbered := name if count == 1 else f"{name}-{count}") in taken:
        count += 1
    return numbered
