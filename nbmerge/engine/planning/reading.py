"""Everything that is wrong in a recipe that cannot be read, so that a first mistake does not hide a second."""

from __future__ import annotations

from nbmerge.engine.planning.planner import examine
from nbmerge.errors import RecipeError
from nbmerge.problems import Problem, worst_first


def list_problems(error: RecipeError) -> list[Problem]:
    """Why a recipe cannot be read, with the errors in its rest that do not follow from that."""
    if error.rest is None:
        return worst_first(error.problems)
    missed = {p.where[-1] for p in error.problems if p.where}
    others = [p for p in examine(error.rest)[1] if p.severity == "error" and not missed & set(p.where)]
    return worst_first([*error.problems, *others])
