"""mergekit's YAML of any version, and ours, which is a superset of it. Several documents feed each other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nbmerge.errors import RecipeError
from nbmerge.problems import Problem, Where, nearest
from nbmerge.recipe.documents import join_documents
from nbmerge.recipe.readers.recipe_text import Document, RecipeText, note, reading_error
from nbmerge.recipe.recipe import Recipe
from nbmerge.recipe.yaml_text import line_of

FOUND = "YAML text"

DIALECTS = ("nbmerge", "mergekit-0.0", "mergekit-0.1")
"""Dialects that a recipe in mergekit's language can be in; see `nbmerge.recipe.dialects`."""
UNDECLARED = ""
"""The dialect of a recipe in mergekit's language that names none."""

NO_MEANING = {
    "residual_weight": "mergekit accepts it but never reads it",
    "input_model_parameters": "mergekit's README mentions it, but no version reads it",
    "override_architecture": "architectures are inferred from the tensors",
}
"""Keys in mergekit's files that have no effect, with the reason."""

OTHERS = {
    "models_to_merge": "a MergeMonster config: it describes a search for a merge, not a merge",
    "workflow": "a workflow of another program",
}
"""Keys that identify configs of other programs."""


def read(text: RecipeText) -> Recipe:
    """Read it; as this is the last reader, anything that is not a recipe is an error here."""
    documents = text.documents
    if not documents or not all(isinstance(data, Mapping) for data, _ in documents):
        raise reading_error(
            "this is not a recipe: a recipe is a mapping with 'merge_method' and 'models' or 'slices'.",
            "Commands, model cards, notebook cells and block weights can also be read, but this is none of them.",
        )
    notes: list[Problem] = []
    if len(documents) == 1:
        return _of(documents[0], notes).with_origin(FOUND, notes)
    try:
        recipe = join_documents(_of(document, notes) for document in documents)
    except RecipeError as error:
        raise RecipeError(error.problems) from None  # the valid part of one document is not that of all of them
    return recipe.with_origin(FOUND, notes)


def of(data: Mapping[str, Any]) -> Recipe:
    """The recipe of plain data."""
    notes: list[Problem] = []
    return _of((data, {}), notes).with_origin("plain data", notes)


def _of(document: Document, notes: list[Problem]) -> Recipe:
    data, lines = document
    other = next((k for k in OTHERS if k in data), None)
    if other and "merge_method" not in data:
        raise reading_error(f"this is {OTHERS[other]}.", where=(other,), line=line_of((other,), lines))
    effective = _effective(data, (), lines, notes)
    dialect = effective.pop("dialect", None)
    if dialect is not None and dialect not in DIALECTS:
        how = nearest(str(dialect)[:60], DIALECTS)
        raise reading_error(f"unknown dialect '{dialect!s:.60}'.", how, ("dialect",), line_of(("dialect",), lines))
    return Recipe.of(effective, lines).with_origin(dialect=dialect or UNDECLARED)


def _effective(data: Any, where: Where, lines: dict[Where, int], notes: list[Problem]) -> Any:
    """The data without keys that have no effect, each of which is noted."""
    if isinstance(data, list):
        return [_effective(x, (*where, i), lines, notes) for i, x in enumerate(data)]
    if not isinstance(data, Mapping) or "parameters" in where or "tokens" in where:
        return data
    for key in data.keys() & NO_MEANING.keys():
        here = (*where, key)
        notes.append(note(f"'{key}' has no effect: {NO_MEANING[key]}.", here, line_of(here, lines)))
    return {k: _effective(v, (*where, k), lines, notes) for k, v in data.items() if k not in NO_MEANING}
