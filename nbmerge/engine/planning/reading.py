"""A recipe's text with everything that is wrong in it, so that a first mistake does not hide a second."""

from __future__ import annotations

from typing import Any

from nbmerge.engine.planning.planner import examine
from nbmerge.engine.planning.plans import Plan
from nbmerge.errors import RecipeError
from nbmerge.problems import Problem, worst_first
from nbmerge.recipe import Recipe


def examine_text(source: Any, dialect: str | None = None) -> tuple[Recipe | None, Plan | None, list[Problem]]:
    """The recipe and its plan, where there are any, and every problem with the line it is at, the worst first.

    Parameters
    ----------
    source
        Anything that `Recipe.load` reads.
    dialect : str, optional
        See `Recipe.load`.
    """
    try:
        recipe = Recipe.load(source, dialect)
    except RecipeError as error:
        return None, None, list_problems(error)
    plan, problems = examine(recipe)
    return recipe, plan, problems


def list_problems(error: RecipeError) -> list[Problem]:
    """Why a recipe cannot be read, with the errors in its rest that do not follow from that."""
    if error.rest is None:
        return worst_first(error.problems)
    missed = {p.where[-1] for p in error.problems if p.where}
    others = [p for p in examine(error.rest)[1] if p.severity == "error" and not missed & set(p.where)]
    return worst_first([*error.problems, *others])
