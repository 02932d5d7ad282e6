"""The state of a Studio, without widgets: the recipe is the state, everything else follows from it.

Panels observe `revision` and call the methods here; they have no state of their own. A recipe is immutable, so the
history is a list of recipes, and undo is going back in it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any
from weakref import WeakSet

from traitlets import Any as AnyTrait
from traitlets import Bool, HasTraits, Instance, Int, Tuple, Unicode

from nbmerge.engine.planning import Plan, examine, revised
from nbmerge.errors import RecipeError
from nbmerge.methods import methods
from nbmerge.problems import Problem, worst_first
from nbmerge.recipe import Recipe
from nbmerge.widgets.state.compose import compose_recipe
from nbmerge.widgets.state.job import Job
from nbmerge.widgets.state.model_pool import ModelPool

PAUSE = 1.0
"""Seconds of rest after which moving the same slider is a new step of the history."""
STEPS = 500
"""Longest history kept."""
PATIENCE = 2.0
"""Seconds that `StudioState.release` waits for stopped work before it goes on waiting in a thread."""


@dataclass(frozen=True)
class Step:
    """One entry of the history.

    Parameters
    ----------
    recipe : Recipe
    source : str or None
        The text it was read from, where that is shown as it is.
    """

    recipe: Recipe
    source: str | None = None

    @cached_property
    def text(self) -> str:
        """What is shown in the Recipe panel; written only after the pictures, since YAML takes as long as planning."""
        return self.recipe.to_yaml() if self.source is None else self.source


class StudioState(HasTraits):
    """What is being merged.

    Attributes
    ----------
    recipe : Recipe or None
        None until models are chosen.
    text : str
        The recipe as it was written, or as YAML.
    plan : Plan or None
        None where `problems` has errors. Set right after `recipe`, before everything else: pictures that follow a slider
        observe it.
    problems : tuple of Problem
        Of the recipe, worst first, with lines of `text`.
    refused : tuple of Problem
        Why the text that was last applied is not a valid recipe. Empty when it was.
    base, models : str, tuple of str
        Models chosen, also those that the method does not use.
    can_undo, can_redo : bool
    revision : int
        Counts changes; set last, when everything else fits together. Observe this one.
    job : Job
        Runs long work, one at a time.
    pool : ModelPool
        Models in memory, for the panels that sample and score them.
    """

    recipe = AnyTrait(None, allow_none=True)
    text = Unicode()
    plan = AnyTrait(None, allow_none=True)
    problems = Tuple()
    refused = Tuple()
    base = Unicode()
    models = Tuple()
    can_undo = Bool(False)
    can_redo = Bool(False)
    revision = Int(0)
    job = Instance(Job)

    def __init__(self, recipe: Any = None):
        super().__init__(job=Job())
        self.pool = ModelPool()
        self._lock = threading.RLock()
        self._users: WeakSet[Any] = WeakSet()
        self._history: list[Step] = []
        self._at = -1
        self._last: tuple[Any, float] = (None, 0.0)
        if recipe is not None:
            self.set_recipe(recipe if isinstance(recipe, Recipe) else Recipe.load(recipe))

    # --- changes ---

    def set_recipe(self, recipe: Recipe, text: str | None = None, tag: Any = None) -> None:
        """Make this the recipe.

        Parameters
        ----------
        recipe : Recipe
        text : str, optional
            What it was read from, to be shown as it is; default its YAML.
        tag : hashable, optional
            Quick changes of equal tag, one slider being dragged, are one step to undo.
        """
        with self._lock:
            if text is None and self.recipe is not None and recipe == self.recipe:
                return
            now = time.monotonic()
            again = tag is not None and self._last[0] == tag and now - self._last[1] < PAUSE and not self.can_redo
            self._last = (tag, now)
            step = Step(recipe, text)
            self._history[self._at if again else self._at + 1 :] = [step]
            del self._history[:-STEPS]
            self._at = len(self._history) - 1
            self._show(step)

    def edit(self, change: Callable[[Recipe], Recipe], tag: Any = None) -> None:
        """Replace the recipe by a changed copy."""
        with self._lock:
            if self.recipe is None:
                raise RecipeError([Problem("error", (), "there is no recipe yet.", "Choose models first.")])
            self.set_recipe(change(self.recipe), tag=tag)

    def apply_text(self, text: str) -> bool:
        """Read the recipe from a text in any known format, or from a path.

        False when it is not a valid recipe: then `refused` lists the reasons and nothing else changes.
        """
        with self._lock:
            try:
                recipe = Recipe.load(text if text.strip() else "{}\n")
            except RecipeError as error:
                self.refused = error.problems
                self.revision += 1
                return False
            self._last = (None, 0.0)
            as_written = recipe.origin == Recipe.load(recipe.to_yaml()).origin  # otherwise it is shown as YAML
            self.set_recipe(recipe, text if as_written else None)
            return True

    def drop_refused(self) -> None:
        """Forget a text that was not a valid recipe."""
        with self._lock:
            self.refused = ()
            self.revision += 1

    def choose_models(self, base: str, models: Sequence[str]) -> None:
        """Choose models; the recipe is composed from them, where that is possible."""
        with self._lock:
            self.base, self.models = base, tuple(dict.fromkeys(m for m in models if m != base))
            method = self._method(self.recipe.merge_method) if self.recipe else "task_arithmetic"
            self._compose(method)

    def use_method(self, name: str) -> None:
        """Change the merge method, keeping models and what parameters they share."""
        with self._lock:
            self._compose(name)

    def undo(self) -> None:
        """Go back one step."""
        self._go(-1)

    def redo(self) -> None:
        """Undo the last undo."""
        self._go(+1)

    # --- the end ---

    def attach(self, user: Any) -> None:
        """Note a box that shows this state."""
        self._users.add(user)

    def detach(self, user: Any) -> None:
        """Note that a box no longer shows it; the last one releases it."""
        self._users.discard(user)
        if not self._users:
            self.release()

    def release(self) -> None:
        """Stop the work and free the models in memory. Recipe and history stay, and models are loaded again when needed.

        Where stopped work does not end within `PATIENCE`, its models are freed when it does.
        """
        self.job.stop()
        ending = threading.Thread(target=self._release_when_stopped, name="nbmerge release", daemon=True)
        ending.start()
        ending.join(PATIENCE)

    def _release_when_stopped(self) -> None:
        self.job.wait()
        self.job.forget()
        self.pool.release()

    # --- inside ---

    def _method(self, name: str) -> str:
        return name if name in methods() else "task_arithmetic"

    def _compose(self, name: str) -> None:
        if not (self.base or self.models):
            raise RecipeError([Problem("error", (), "no models are chosen.", "Add one in the Models panel.")])
        if not self.models:  # a base alone is not a recipe yet
            self.revision += 1
            return
        self._last = (None, 0.0)
        memory = [step.recipe for step in reversed(self._history[: self._at + 1])]
        self.set_recipe(compose_recipe(methods()[name], self.base, self.models, memory))
        self.revision += 1

    def _go(self, by: int) -> None:
        with self._lock:
            if 0 <= self._at + by < len(self._history):
                self._at += by
                self._last = (None, 0.0)
                self._show(self._history[self._at])

    def _show(self, step: Step) -> None:
        plan, problems = self._examined(step.recipe)
        self.recipe, self.plan = step.recipe, plan
        self.text = step.text
        self.problems = tuple(_with_lines(problems, step.text))
        self.refused = ()
        self._take_models(step.recipe)
        self.can_undo, self.can_redo = self._at > 0, self._at + 1 < len(self._history)
        self.revision += 1

    def _examined(self, recipe: Recipe) -> tuple[Plan | None, list[Problem]]:
        """Plan and problems; where only numbers changed, from the present plan, in a tenth of the time."""
        plan = revised(self.plan, recipe) if self.plan is not None else None
        return examine(recipe) if plan is None else (plan, worst_first([*recipe.notes, *plan.problems]))

    def _take_models(self, recipe: Recipe) -> None:
        """Note the models that a recipe names; those chosen before stay chosen."""
        named = [str(r) for r in recipe.references]
        method = methods().get(recipe.merge_method)
        if recipe.base_model and (not self.base or (method and method.base == "required")):
            self.base = str(recipe.base_model)
        chosen = dict.fromkeys([*self.models, *named])
        self.models = tuple(m for m in chosen if m != self.base)

    def __repr__(self) -> str:
        errors = sum(p.severity == "error" for p in self.problems)
        return f"<StudioState {self.recipe!r}: {'ready' if self.plan else f'{errors} errors'}, step {self._at + 1}>"


def _with_lines(problems: Sequence[Problem], text: str) -> list[Problem]:
    """Give problems the lines they have in the text that is on screen."""
    if not any(p.where and p.line is None for p in problems):
        return list(problems)
    try:
        shown = Recipe.load(text)
    except RecipeError:
        return list(problems)
    return [p if p.line or not p.where else replace(p, line=shown.line(p.where)) for p in problems]
