"""The Sweep panel: scores along the path between two recipes; a click goes to a recipe of the path."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import ipywidgets

from nbmerge.engine.planning import Plan
from nbmerge.errors import ArgumentError, NbmergeError
from nbmerge.recipe import Recipe
from nbmerge.widgets.controls.numbers import plain_number
from nbmerge.widgets.controls.view import View
from nbmerge.widgets.panels.analysis.work import AnalysisWork
from nbmerge.widgets.panels.panel import Panel
from nbmerge.widgets.state.analyses import find_score, list_scores, suggest_score
from nbmerge.widgets.state.names import shorten_in
from nbmerge.widgets.state.studio_state import StudioState
from nbmerge.widgets.state.trials import NOW, PARENT, STEP, Candidate, name_step

if TYPE_CHECKING:
    from nbmerge.analysis import PathScores

MOST_POINTS = 101
LETTERS = 24
"""Longest names of models."""
DIGITS = 6
"""Digits of a score that the browser gets."""
RECENT = 12
"""Latest steps of the history that are offered, besides those with a name, a pin or scores."""


@dataclass(frozen=True)
class ScoredPath:
    """A path with the names of its ends.

    Parameters
    ----------
    ends : (str, str)
    scores : PathScores
    """

    ends: tuple[str, str]
    scores: PathScores


class SweepView(View):
    """The drawing of the Sweep panel."""

    script = "sweep"
    large = True


class SweepPanel(Panel):
    """Scores of the merges between two steps of the history, or between a step and a parent.

    Attributes
    ----------
    chosen : tuple of str
        Names of the scores.
    """

    title = "Sweep"

    def _build(self) -> list[ipywidgets.Widget]:
        self.chosen: tuple[str, ...] = ()
        self._work = AnalysisWork(self, "sweep")
        self.view = SweepView(
            {"start": self.start, "stop": self._work.stop, "choose": self.choose, "go": self.go}, self.errors
        )
        self.watch(self.state.notes, self.errors(lambda change: self.redraw()), "revision")
        return [self.view]

    # --- screen to state ---

    def choose(self, score: str) -> None:
        """Add a score to those that are computed, or remove it."""
        chosen = self._scores()
        self.chosen = tuple(s for s in chosen if s != score) if score in chosen else (*chosen, score)
        self._draw()

    def start(self, first: str, second: str, points: int) -> None:
        """Compute the scores along the path between two of the recipes that are offered."""
        if not 2 <= points <= MOST_POINTS:
            raise ArgumentError(f"A path has 2 to {MOST_POINTS} points, not {points}.")
        titles = {c.key: c.title for c in list_ends(self.state)}
        if first not in titles or second not in titles:
            raise NbmergeError("One of these recipes is not there any more. Choose two others.")
        if not self._scores():
            raise NbmergeError("Choose at least one score.")
        scores = {name: find_score(self.state, name) for name in self._scores()}
        one, other = (find_recipe(self.state, self._work.plan, key) for key in (first, second))

        def work(plan: Plan, progress: Any, cancel: Any) -> ScoredPath:
            from nbmerge.analysis import sweep

            result = sweep(one, other, points, scores, progress=progress, cancel=cancel)
            return ScoredPath((titles[first], titles[second]), result)

        self._work.compute(work)

    def go(self, point: int) -> None:
        """Go to the recipe of a point: to its step where it was on screen before, else it is a new one."""
        found = self._work.find(self._work.plan)
        if found is None or not 0 <= point < len(found.scores.recipes):
            raise NbmergeError("This point is of an earlier path. Compute it again.")
        self.state.go_to_recipe(found.scores.recipes[point])

    # --- state to screen ---

    def _scores(self) -> tuple[str, ...]:
        """The chosen scores that there still are; at first, one that is quick."""
        known = list_scores(self.state)
        chosen = tuple(name for name in self.chosen if name in known)
        return chosen or ((suggest_score(self.state) or known[0],) if known else ())

    def _refresh(self) -> None:
        self._draw()

    def _draw(self) -> None:
        plan = self.state.plan
        found = None if plan is None else self._work.find(plan)
        ends = list_ends(self.state)
        models = list(plan.labels.values()) if plan is not None else []
        self.view.show({
            "ends": [_describe_end(c, models) for c in ends], "suggested": list(suggest_ends(ends)),
            "scores": list_scores(self.state), "chosen": list(self._scores()),
            "ready": plan is not None and len(ends) > 1 and bool(self._scores()), "progress": self._work.progress,
            "path": None if found is None else _describe(found, self.state, models),
        })  # fmt: skip


def list_ends(state: StudioState) -> list[Candidate]:
    """What a path can begin and end at: the recipe on screen, steps of its models with other numbers, and each parent alone."""
    plan = state.plan
    if plan is None:
        return []
    return [Candidate(NOW, "the merge now"), *_list_steps(state, plan), *_list_parents(plan)]


def _list_steps(state: StudioState, plan: Plan) -> Iterator[Candidate]:
    """The newest first, each under a name of its own."""
    others = [s for s in state.history if s.id != state.history.current_id]
    alike = [s for s in others if _list_parts(s.recipe) == _list_parts(plan.recipe)]
    names: set[str] = set()
    for step in [s for i, s in enumerate(reversed(alike)) if i < RECENT or s.importance]:
        title = name_step(step)
        title = f"{title} (step {step.id})" if title in names else title
        names.add(title)
        yield Candidate(f"{STEP} {step.id}", title)


def _list_parts(recipe: Recipe) -> tuple[Any, ...]:
    """What two recipes have in common where only numbers differ."""
    return recipe.merge_method, recipe.base_model, set(recipe.references)


def _list_parents(plan: Plan) -> Iterator[Candidate]:
    if plan.recipe.experts is None:  # no numbers of a mixture give one of its models
        yield from (Candidate(f"{PARENT} {label}", f"{label} alone") for label in plan.parents)


def suggest_ends(ends: list[Candidate]) -> tuple[str, str]:
    """The step before the recipe on screen and this; without one, the last parent."""
    if len(ends) < 2:
        return "", ""
    step = next((c for c in ends if c.key.startswith(STEP)), ends[-1])
    return step.key, ends[0].key


def find_recipe(state: StudioState, plan: Plan, key: str) -> Recipe:
    """The recipe of a candidate; of a parent, the present one with all of it from that parent.

    Raises
    ------
    ArgumentError
        When no values of the method's parameters give that parent.
    """
    kind, _, name = key.partition(" ")
    if kind == STEP:
        return state.history[int(name)].recipe
    if kind == PARENT:
        from nbmerge.analysis.proposals import take_part

        return take_part(plan, next(ref for ref, label in plan.labels.items() if label == name))
    return plan.recipe


def _describe_end(end: Candidate, models: Sequence[str]) -> dict[str, Any]:
    return {"key": end.key, "title": shorten_in(end.title, models, LETTERS), "whole": end.title}


def _describe(found: ScoredPath, state: StudioState, models: Sequence[str]) -> dict[str, Any]:
    scores = found.scores
    now = state.recipe.fingerprint if state.recipe is not None else ""
    shown = [i for i, recipe in enumerate(scores.recipes) if recipe.fingerprint == now]
    return {
        "ends": [shorten_in(end, models, LETTERS) for end in found.ends],
        "at": [t for (t,) in scores.positions], "current": shown[0] if shown else None,
        "curves": [_describe_curve(scores, name) for name in scores.values],
        "remarks": [*([f"Computed by live updates: {scores.fallback}"] if scores.fallback else []), *scores.notes],
    }  # fmt: skip


def _describe_curve(scores: PathScores, name: str) -> dict[str, Any]:
    values = [plain_number(v, DIGITS) for v in scores.values[name]]
    known = [(v if scores.lower[name] else -v, i) for i, v in enumerate(values) if v is not None]
    barrier = None
    if values[0] is not None and values[-1] is not None:
        found = scores.barrier(name)
        barrier = {"height": plain_number(found.height, DIGITS), "at": found.at}
    return {
        "name": name, "values": values, "lower": scores.lower[name], "best": min(known)[1] if known else None,
        "barrier": barrier,
    }  # fmt: skip
