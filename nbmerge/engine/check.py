"""Check a recipe before merging: what would fail, and what the merge will cost, from headers alone."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from nbmerge.checkpoints.hub import check_disk
from nbmerge.engine.compute.download import find_missing
from nbmerge.engine.cost.merge_forecast import Forecast, forecast
from nbmerge.engine.loading.load_findings import loading_findings
from nbmerge.engine.output.folder import absolute, check_output, modules_left_behind, unsafe_side_files
from nbmerge.engine.planning.planner import examine, list_problems
from nbmerge.engine.planning.plans import Plan
from nbmerge.engine.remedies import group_problems
from nbmerge.errors import CheckpointError, OutputError, RecipeError
from nbmerge.presentation import Displayed
from nbmerge.problems import Problem, worst_first
from nbmerge.recipe import Recipe

if TYPE_CHECKING:
    from nbmerge.typing import RecipeLike


@dataclass(frozen=True)
class Report(Displayed):
    """Result of `check`.

    Parameters
    ----------
    problems : tuple of Problem
        Errors first.
    plan : Plan, optional
        None if there are errors that prevent planning.
    forecast : Forecast, optional
        The cost of the merge; None without a plan.
    suggestions : tuple of str
        Changes of the recipe that solve problems, one entry for each cause. They were tried: after each of them, the
        recipe has no errors.
    """

    problems: tuple[Problem, ...]
    plan: Plan | None = None
    forecast: Forecast | None = None
    suggestions: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether the merge can run."""
        return not any(p.severity == "error" for p in self.problems)

    def __bool__(self) -> bool:
        return self.ok

    def __str__(self) -> str:
        found = (*(f"{p.severity}: {p}" for p in self.problems), *(f"suggestion: {text}" for text in self.suggestions))
        return "\n".join([*found, *self._result()])

    def _result(self) -> Iterator[str]:
        """Lines about the merged model and its cost."""
        if not self.problems:
            yield "No problems."
        if (plan := self.plan) is not None:
            layers = f"{plan.depth} layers, " if plan.depth or not plan.bare else ""
            size = f"{len(plan.tensors)} tensors, {layers}{plan.parameters:,} parameters"
            yield f"{plan.method.title}: {size}."
        if self.forecast is not None:
            cost = str(self.forecast)
            yield f"The merge {cost}."

    __repr__ = __str__


def check(
    recipe: RecipeLike, out: str | Path | None = None, overwrite: bool = False, dialect: str | None = None
) -> Report:
    """Find everything that would make a merge fail, reading headers only.

    Parameters
    ----------
    recipe : Recipe, Plan, or anything that `Recipe.load` reads
    out : path, optional
        Also check this output folder.
    overwrite : bool
        Whether the merge may replace a model in that folder.
    dialect : str, optional
        See `Recipe.load`.

    Returns
    -------
    Report
        Problems of the recipe, the models and the output are reported, not raised.
    """
    try:
        read = Recipe.load(recipe.recipe if isinstance(recipe, Plan) else recipe, dialect)
        plan, problems = examine(read)
    except RecipeError as error:
        return Report(tuple(list_problems(error)))
    suggestions = _suggest(read, problems)
    place = None
    if plan is not None:
        problems = worst_first([*problems, *(Problem("error", (), str(e)) for e in unsafe_side_files(plan))])
    if plan is not None and out is not None:
        try:
            place = absolute(out)
            check_output(plan, place, overwrite)
        except (OutputError, CheckpointError) as error:
            problems = worst_first([*problems, Problem("error", (), str(error))])
    if plan is not None and (problem := _room_to_download(plan, place)):
        problems = worst_first([*problems, problem])
    if plan is not None:
        problems = worst_first([*problems, *modules_left_behind(plan), *loading_findings(plan)])
    return Report(tuple(problems), plan, None if plan is None else forecast(plan, out=place), suggestions)


def _suggest(recipe: Recipe, problems: Sequence[Problem]) -> tuple[str, ...]:
    """What the Studio offers as buttons, in words: "Remove other, or make other the base."."""
    if all(p.severity == "info" for p in problems):
        return ()
    suggestions = []
    for group in group_problems(recipe, problems):
        if group.remedies:
            first, *more = (remedy.title for remedy in group.remedies)
            suggestions.append(", or ".join([first, *(t[:1].lower() + t[1:] for t in more)]) + ".")
    return tuple(suggestions)


def _room_to_download(plan: Plan, out: Path | None) -> Problem | None:
    """The problem if the disk is too small for what must be downloaded, or for that and the merged model."""
    if not (absent := find_missing(plan.tensors)):
        return None
    cache = absent[0].snapshot.root
    parent = next((p for p in out.parents if p.exists()), None) if out is not None else None
    result = plan.bytes_written if parent is not None and os.stat(parent).st_dev == os.stat(cache).st_dev else 0
    try:
        check_disk(absent, result)
    except OutputError as error:
        return Problem("error", (), str(error))
    return None
