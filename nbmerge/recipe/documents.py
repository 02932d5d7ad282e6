"""Recipes that feed each other: several documents of one text, made one recipe."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence

from nbmerge.errors import RecipeError
from nbmerge.problems import Problem
from nbmerge.recipe.recipe import Recipe

MAX_MERGES = 100
"""How often merges may occur in each other; each occurrence is planned separately."""
MAX_LEVELS = 20
"""How many merges may feed each other in a row: the time to read them grows with the cube of their number."""


def join_documents(recipes: Iterable[Recipe]) -> Recipe:
    """One recipe of several that feed each other: the one that no other takes, with the others as its `merges`.

    Raises
    ------
    RecipeError
        When names occur twice, when merges feed each other in a circle, or when not exactly one is left over.
    """
    everyone = list(recipes)
    named = _by_name(everyone)
    final = _final(everyone, named)
    occurrences = itertools.count(1)

    def link(recipe: Recipe, above: tuple[str, ...]) -> Recipe:
        if next(occurrences) > MAX_MERGES:
            what = f"the documents use each other more than {MAX_MERGES} times in total."
            raise _refused(what, "Run some of the merges first, and name their output folders.")
        if len(above) > MAX_LEVELS:
            what = f"more than {MAX_LEVELS} of the documents feed each other in a row."
            raise _refused(what, "Run some of the merges first, and name their output folders.")
        inner = []
        for ref in recipe.references:
            if ref.path in above:
                what = f"the documents feed each other in a circle ({ref.path})."
                raise _refused(what, "A merge cannot use its own result.")
            if ref.path in named:
                inner.append(link(named[ref.path], (*above, ref.path)))
        return recipe.model_copy(update={"merges": tuple(inner)}).with_origin(like=recipe)

    return link(final, (final.name,) if final.name else ())


def _by_name(recipes: Iterable[Recipe]) -> dict[str, Recipe]:
    named: dict[str, Recipe] = {}
    for recipe in recipes:
        if recipe.name and recipe.name in named:
            raise _refused(f"two documents are named '{recipe.name}'.", "Give each a different name.")
        if recipe.name:
            named[recipe.name] = recipe
    return named


def _final(recipes: Sequence[Recipe], named: Mapping[str, Recipe]) -> Recipe:
    """The one recipe that no other uses as a model."""
    used = {ref.path for r in recipes for ref in r.references} & named.keys()
    final = [r for r in recipes if r.name not in used]
    if len(final) == 1:
        return final[0]
    what = (
        f"{len(final)} of the documents are not used by any other."
        if final
        else "the documents feed each other in a circle."
    )
    raise _refused(what, "Keep exactly one that uses the others, directly or indirectly.")


def _refused(what: str, how: str) -> RecipeError:
    return RecipeError([Problem("error", (), what, how)])


def order_merges(recipe: Recipe) -> list[Recipe]:
    """A recipe and all merges that feed it, directly or not, each once and before those that use it."""
    merges: dict[str | None, Recipe] = {}
    for merge in recipe.merges:
        for inner in order_merges(merge):
            merges.setdefault(inner.name, inner)
    return [*merges.values(), recipe]
