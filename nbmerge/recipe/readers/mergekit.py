"""mergekit's YAML, of any age, and ours, which is a superset of it. Several documents feed each other."""

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
"""Whose meaning a recipe in mergekit's language can have; see `nbmerge.recipe.dialects`."""
UNSAID = ""
"""The dialect of a recipe in mergekit's language that names none."""

NO_MEANING = {
    "residual_weight": "mergekit accepts it and never reads it",
    "input_model_parameters": "mergekit's README names it and no version reads it",
    "override_architecture": "architectures are read from the tensors themselves",
}
"""What mergekit's files may hold and what has no effect, with why."""

OTHERS = {
    "experts": "a mergekit-moe configuration: it builds a mixture of experts, which is not a merge of tensors",
    "models_to_merge": "a MergeMonster config: it searches for a merge and holds none",
    "workflow": "a workflow of another program",
}
"""Keys that give away configs of other programs."""

MOE = (
    "Run it with mergekit-moe. To merge the experts into one dense model instead, list their source_model under models "
    "and choose a merge_method."
)
"""What can be done about a mixture of experts."""


def read(text: RecipeText) -> Recipe:
    """Read it; the last of all readers, so whatever is no recipe is an error here."""
    found = text.documents
    if not found or not all(isinstance(data, Mapping) for data, _ in found):
        raise reading_error(
            "this holds no recipe: a recipe is a mapping with 'merge_method' and 'models' or 'slices'.",
            "Commands, model cards, notebook cells and block weights are read, too; this is none of them.",
        )
    notes: list[Problem] = []
    if len(found) == 1:
        return _of(found[0], notes).with_origin(FOUND, notes)
    try:
        recipe = join_documents(_of(document, notes) for document in found)
    except RecipeError as error:
        raise RecipeError(error.problems) from None  # what is left of one document is not the rest of them all
    return recipe.with_origin(FOUND, notes)


def of(data: Mapping[str, Any]) -> Recipe:
    """The recipe of plain data."""
    notes: list[Problem] = []
    return _of((data, {}), notes).with_origin("plain data", notes)


def _of(document: Document, notes: list[Problem]) -> Recipe:
    data, lines = document
    other = next((k for k in OTHERS if k in data), None)
    if other and ("merge_method" not in data or other == "experts"):
        how = MOE if other == "experts" else ""
        raise reading_error(f"this is {OTHERS[other]}.", how, where=(other,), line=line_of((other,), lines))
    meant = _meant(data, (), lines, notes)
    dialect = meant.pop("dialect", None)
    if dialect is not None and dialect not in DIALECTS:
        how = nearest(str(dialect)[:60], DIALECTS)
        raise reading_error(f"unknown dialect '{dialect!s:.60}'.", how, ("dialect",), line_of(("dialect",), lines))
    return Recipe.of(meant, lines).with_origin(dialect=dialect or UNSAID)


def _meant(data: Any, where: Where, lines: dict[Where, int], notes: list[Problem]) -> Any:
    """The data without what has no meaning, which is noted."""
    if isinstance(data, list):
        return [_meant(x, (*where, i), lines, notes) for i, x in enumerate(data)]
    if not isinstance(data, Mapping) or "parameters" in where or "tokens" in where:
        return data
    for key in data.keys() & NO_MEANING.keys():
        here = (*where, key)
        notes.append(note(f"'{key}' has no effect: {NO_MEANING[key]}.", here, line_of(here, lines)))
    return {k: _meant(v, (*where, k), lines, notes) for k, v in data.items() if k not in NO_MEANING}
