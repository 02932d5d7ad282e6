"""Recipes that feed each other: several documents of one text, made one recipe."""

from __future__ import annotations

from collections.abc import Iterable

from nbmerge.errors import RecipeError
from nbmerge.problems import Problem
from nbmerge.recipe.recipe import Recipe

MAX_MERGES = 100
"""How often merges may occur in each other; each occurrence is planned by itself."""


def documents(recipes: Iterable[Recipe]) -> Recipe:
    """One recipe of several that feed each other: the one that no other takes, the others as its `merges`."""
    everyone = list(recipes)
    names = [r.name for r in everyone if r.name]
    if twice := next((n for n in names if names.count(n) > 1), None):
        raise RecipeError([Problem("error", (), f"two documents are named '{twice}'.", "Give each a name of its own.")])
    taken = {ref.path for r in everyone for ref in r.references} & set(names)
    last = [r for r in everyone if r.name not in taken]
    if len(last) != 1:
        what = (
            "the documents feed each other in a circle."
            if not last
            else f"{len(last)} of the documents feed no other one."
        )
        raise RecipeError([Problem("error", (), what, "Keep exactly one that takes the others, directly or not.")])
    by_name = {r.name: r for r in everyone if r.name}
    count = 0

    def linked(recipe: Recipe, above: tuple[str, ...]) -> Recipe:
        nonlocal count
        count += 1
        if count > MAX_MERGES:
            what = f"the documents take each other more than {MAX_MERGES} times over."
            raise RecipeError([Problem("error", (), what, "Save some of the merges, and name their folders.")])
        inner = []
        for ref in recipe.references:
            if ref.path in above:
                how = "A merge cannot take its own result."
                raise RecipeError(
                    [Problem("error", (), f"the documents feed each other in a circle ({ref.path}).", how)]
                )
            if ref.path in by_name:
                inner.append(linked(by_name[ref.path], (*above, ref.path)))
        return recipe.model_copy(update={"merges": tuple(inner)}).with_origin(like=recipe)

    return linked(last[0], (last[0].name,) if last[0].name else ())


def order_merges(recipe: Recipe) -> list[Recipe]:
    """A recipe and all merges that feed it, directly or not, each once and before those that take it."""
    found: dict[str | None, Recipe] = {}
    for merge in recipe.merges:
        for inner in order_merges(merge):
            found.setdefault(inner.name, inner)
    return [*found.values(), recipe]
