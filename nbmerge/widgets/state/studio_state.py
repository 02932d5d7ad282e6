"""The state of a Studio, without widgets: the recipe is the state, everything else follows from it.

Panels observe `revision` and call the methods here; they have no state of their own. A recipe is immutable, so the
history is a tree of recipes, and undo is going back in it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import Any
from weakref import WeakSet

from traitlets import Any as AnyTrait
from traitlets import Bool, HasTraits, Instance, Int, Tuple, Unicode, default

from nbmerge.engine.planning import Plan, examine, list_problems, revise_plan
from nbmerge.engine.remedies import ProblemGroup, group_problems, remove_model, set_base
from nbmerge.errors import RecipeError
from nbmerge.methods import methods
from nbmerge.problems import Problem, worst_first
from nbmerge.recipe import ModelRef, Recipe
from nbmerge.recipe.readers.mergekit import FOUND as FROM_YAML
from nbmerge.recipe.readers.recipe_text import read_file
from nbmerge.recipe.sections import levels
from nbmerge.widgets.state.activities import Activities
from nbmerge.widgets.state.analyses import Analyses
from nbmerge.widgets.state.choice import Choice
from nbmerge.widgets.state.compose import compose_recipe, list_family
from nbmerge.widgets.state.draft import Draft, join_text
from nbmerge.widgets.state.history import History, Notes, Step, shares_models
from nbmerge.widgets.state.job import Job
from nbmerge.widgets.state.measurements import Measurements
from nbmerge.widgets.state.merging import Merging
from nbmerge.widgets.state.model_pool import ModelPool

PAUSE = 1.0
"""Seconds of rest after which moving the same slider is a new step of the history."""
PATIENCE = 2.0
"""Seconds that `StudioState.release` waits for stopped work before it goes on waiting in a thread."""


class StudioState(HasTraits):
    """What is being merged.

    Attributes
    ----------
    recipe : Recipe or None
        None until models are chosen.
    text : str
        The recipe as it was written, or as YAML; empty without one.
    plan : Plan or None
        None where `problems` has errors. Set right after `recipe`, before everything else: pictures that follow a slider
        observe it.
    problems : tuple of Problem
        Of the recipe, worst first, with lines of `text`.
    refused : tuple of Problem
        Why the text that was last applied is not a valid recipe, or does not go with what has changed since. Empty when
        it was applied.
    choice : Choice
        Models chosen, also those that the method does not use; `base` and `models` for short.
    can_undo, can_redo : bool
    models_folder : str
        Where models were looked for last; empty before that.
    revision : int
        Counts changes; set last, when everything else fits together. Observe this one.
    prompts : str
        What models are sampled with, one prompt per line.
    draft : Draft
        A text that is being edited and not applied yet.
    notes : Notes
        The history, `history` for short, and what is attached to its steps: names, scores, pins, words.
    lock : RLock
        Held while anything changes.
    activities : Activities
        All work that is running.
    job : Job
        Runs long work, one at a time.
    merging : Merging
        Writes the merged model to disk.
    pool : ModelPool
        Models in memory, for the panels that sample and score them.
    measurements : Measurements
        How far the present merge is from each parent, as far as that is known.
    analyses : Analyses
        The latest sweep, ablation, sensitivities and comparison of tokens.
    """

    recipe = AnyTrait(None, allow_none=True)
    plan = AnyTrait(None, allow_none=True)
    problems = Tuple()
    refused = Tuple()
    can_undo = Bool(False)
    can_redo = Bool(False)
    revision = Int(0)
    prompts = Unicode()
    job = Instance(Job)

    def __init__(self, recipe: Any = None):
        self.activities = Activities()
        super().__init__(job=Job(self.activities))
        self.merging = Merging(self.job, self.activities)
        self.pool = ModelPool(self.activities)
        self.measurements = Measurements()
        self.analyses = Analyses()
        self.lock = threading.RLock()
        self._users: WeakSet[Any] = WeakSet()
        self.notes, self.draft, self.choice = Notes(self.lock), Draft(self), Choice()
        self.models_folder = ""
        self._last: tuple[Any, float] = (None, 0.0)
        self._grouped: tuple[Any, tuple[ProblemGroup, ...]] = ((), ())
        self._start: Recipe | None = None
        if recipe is not None:
            self._start = recipe if isinstance(recipe, Recipe) else Recipe.load(recipe)
            self.set_recipe(self._start, _read_source(recipe, self._start))

    @property
    def text(self) -> str:
        """See the class; written when it is first asked for, which takes as long as planning."""
        with self.lock:
            step = self.history.current
            return "" if self.recipe is None or step is None else self.history.text_of(step.id)

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
        self._set(recipe, text, tag)

    def open_recipe(self, recipe: Recipe) -> None:
        """Make this the recipe, and its models the only chosen ones."""
        with self.lock:
            self.choice = Choice()
            self._last = (None, 0.0)
            self._set(recipe)
            self.choice = self.choice.with_recipe(recipe)
            self.revision += 1

    @property
    def start(self) -> str:
        """Fingerprint of the recipe that it was made with; empty without one."""
        return self._start.fingerprint if self._start is not None else ""

    def edit(self, change: Callable[[Recipe], Recipe], tag: Any = None) -> None:
        """Replace the recipe by a changed copy."""
        with self.lock:
            if self.recipe is None:
                raise RecipeError([Problem("error", (), "there is no recipe yet.", "Choose models first.")])
            self.set_recipe(change(self.recipe), tag=tag)

    def apply_text(self, text: str, base: Recipe | None = None) -> bool:
        """Read the recipe from a text in any known format, or from a path.

        Parameters
        ----------
        text : str
        base : Recipe, optional
            The recipe that the text's editing began with: what has changed elsewhere since then is kept.

        Returns
        -------
        bool
            False when it is not a valid recipe: then `refused` lists the reasons and nothing else changes.
        """
        with self.lock:
            try:
                written = Recipe.load(text if text.strip() else "{}\n")
                recipe, joined = join_text(text, written, base, self.recipe)
            except RecipeError as error:
                self.refused = tuple(list_problems(error))
                self.revision += 1
                return False
            self._last = (None, 0.0)
            self.draft.text = None
            self.set_recipe(recipe, joined if written.origin == FROM_YAML else None)  # anything else is shown as YAML
            self.refused = ()
            return True

    def drop_refused(self) -> None:
        """Forget a text that was not a valid recipe."""
        with self.lock:
            self.refused = ()
            self.revision += 1

    # --- the models ---

    @property
    def base(self) -> str:
        """The base model that is chosen; empty without one."""
        return self.choice.base

    @property
    def models(self) -> tuple[str, ...]:
        """The other models that are chosen."""
        return self.choice.models

    def choose_models(self, base: str, models: Sequence[str]) -> None:
        """Choose models; the recipe is composed from them, where that is possible."""
        self._choose(Choice.of(base, models))

    def add_model(self, path: str) -> None:
        """Choose one more model: the base where there is none. A recipe of slices stays as it is."""
        with self.lock:
            if self._is_sliced:
                self.choice = Choice.of(self.base, [*self.models, path])
                self.revision += 1
            else:
                self._choose(self.choice.with_model(path))

    def remove_model(self, path: str) -> None:
        """Leave a model out."""
        with self.lock:
            choice = self.choice.without_model(path)
            if self.recipe is not None and self._is_sliced and ModelRef.of(path) in self.recipe.references:
                self.choice = choice
                self.edit(lambda recipe: remove_model(recipe, ModelRef.of(path)))
            else:
                self._choose(choice)

    def make_base(self, path: str) -> None:
        """Make a model the base; the former base becomes one of the others."""
        with self.lock:
            choice = self.choice.with_base(path)
            if self._is_sliced:
                self.choice = choice
                self.edit(lambda recipe: set_base(recipe, ModelRef.of(path)))
            elif choice != self.choice:
                self._choose(choice)

    def clear_base(self) -> None:
        """Have no base model; the former one becomes one of the others."""
        self._choose(self.choice.with_base(""))

    def order_models(self, models: Sequence[str]) -> None:
        """Change the order of the models besides the base; slerp merges the first two of them."""
        if sorted(models) == sorted(self.models):
            self.choose_models(self.base, models)

    def start_over(self) -> None:
        """Choose no models; the history stays."""
        self._choose(Choice())

    def use_method(self, name: str) -> None:
        """Change the merge method, keeping models and what parameters they share."""
        with self.lock:
            self._compose(name)

    # --- problems ---

    @property
    def groups(self) -> tuple[ProblemGroup, ...]:
        """Errors and warnings by their cause, with remedies; those of an earlier recipe with equal problems stay."""
        with self.lock:
            known = tuple((p.severity, p.what) for p in self.problems)
            if known != self._grouped[0]:
                groups = group_problems(self.recipe, self.problems) if self.recipe is not None else []
                self._grouped = known, tuple(groups)
            return self._grouped[1]

    def apply_remedy(self, group: int, remedy: int) -> None:
        """Apply a remedy of `groups`, by its place."""
        with self.lock:
            groups = self.groups
            if group < len(groups) and remedy < len(groups[group].remedies):
                self.choice = Choice()  # those that the changed recipe names
                self.edit(groups[group].remedies[remedy].change)

    def check_again(self) -> None:
        """Examine a recipe with errors again, after files that it names have been made."""
        with self.lock:
            if self.plan is None and self.recipe is not None and (step := self.history.current) is not None:
                self._show(step)

    # --- the history ---

    def undo(self) -> None:
        """Go back to the step that was changed into this one."""
        if self.recipe is None:
            self._walk(lambda: self.history.current)
        else:
            self._walk(self.history.undo)

    def redo(self) -> None:
        """Undo the last undo."""
        self._walk(self.history.redo)

    def go(self, step: int) -> None:
        """Return to any step of the history; nothing is lost by it.

        Raises
        ------
        ArgumentError
            When there is no such step.
        """
        self._walk(lambda: self.history.go(step))

    def go_to_recipe(self, recipe: Recipe) -> None:
        """Return to the step of the history that has a recipe; without one, it is a new step."""
        step = self.history.find(recipe.fingerprint)
        if step is not None:
            self.go(step.id)
        else:
            self.set_recipe(recipe)

    @property
    def history(self) -> History:
        """Every recipe that was on screen, as a tree."""
        return self.notes.history

    def take_history(self, history: History) -> None:
        """Go on from another history, at its current step. What was done here stays, as a tree of its own beside it."""
        with self.lock:
            self.notes.take(history)
            self.choice = Choice()
            self._last = (None, 0.0)
            if self.history.current is not None:
                self._show(self.history.current)
            self.notes.show_scores_of(self.recipe)
            self.notes.revision += 1

    # --- the end ---

    def attach(self, user: Any) -> None:
        """Note a box that shows this state."""
        self._users.add(user)
        self.merging.reopen()

    def detach(self, user: Any) -> None:
        """Note that a box no longer shows it; the last one releases it."""
        self._users.discard(user)
        if not self._users:
            self.release()

    def release(self) -> None:
        """Stop the work and free the models in memory. Recipe and history stay, and models are loaded again when needed.

        Where stopped work does not end within `PATIENCE`, its models are freed when it does.
        """
        self.activities.stop()
        self.merging.close()
        ending = threading.Thread(target=self._release_when_stopped, name="nbmerge release", daemon=True)
        ending.start()
        ending.join(PATIENCE)

    def _release_when_stopped(self) -> None:
        self.job.wait()
        self.job.forget()
        self.pool.release()
        self.measurements.forget()
        self.analyses.forget()
        self.notes.release()
        if not self._users:
            self._trait_values.pop("plan", None)  # megabytes in every closed Studio that a notebook's Out still holds

    @default("plan")
    def _plan_again(self) -> Plan | None:
        """The plan of the recipe, where it was released: made again when somebody asks for it."""
        return None if self.recipe is None else examine(self.recipe)[0]

    # --- inside ---

    def _method(self, name: str) -> str:
        return name if name in methods() else "task_arithmetic"

    def _choose(self, choice: Choice) -> None:
        with self.lock:
            self.choice = choice
            self._compose(self._method(self.recipe.merge_method) if self.recipe else "task_arithmetic")

    def _compose(self, name: str) -> None:
        self._last = (None, 0.0)
        if not self.models:  # a base alone is not a recipe yet
            self._show_nothing()
            return
        path = (step.recipe for step in reversed(self.history.path_to(self.history.current_id or 0)))
        memory = list_family(path, self.base, self.models)
        self._set(compose_recipe(methods()[name], self.base, self.models, memory), keep_chosen=True)
        self.revision += 1

    def _set(self, recipe: Recipe, text: str | None = None, tag: Any = None, keep_chosen: bool = False) -> None:
        with self.lock:
            if text is None and self.recipe is not None and is_same_form(recipe, self.recipe):
                return
            now = time.monotonic()
            amend = tag is not None and self._last[0] == tag and now - self._last[1] < PAUSE
            self._last = (tag, now)
            self._show(self.history.add(recipe, text, amend=amend), keep_chosen)

    def _show_nothing(self) -> None:
        """Show that there is no recipe; undo leads back to the last one."""
        self.recipe = self.plan = None
        self.problems = self.refused = ()
        self.can_undo, self.can_redo = self.history.current is not None, False
        self.revision += 1

    @property
    def _is_sliced(self) -> bool:
        """Whether the recipe is more than a list of models, so that it cannot be composed from them."""
        return self.recipe is not None and self.recipe.models is None

    def _walk(self, walk: Callable[[], Step | None]) -> None:
        with self.lock:
            step = walk()
            if step is not None:
                self._last = (None, 0.0)
                self._show(step)

    def _show(self, step: Step, keep_chosen: bool = False) -> None:
        plan, problems = self._examined(step.recipe)
        former = self.recipe
        self.recipe, self.plan = step.recipe, plan
        self.problems = self._with_lines(problems)
        self.refused = ()
        if former is not None and not shares_models(former, step.recipe):
            self._change_family(keep_chosen)
        self.choice = self.choice.with_recipe(step.recipe, keep_base=keep_chosen)
        self.can_undo, self.can_redo = self.history.can_undo, self.history.can_redo
        self.revision += 1

    def _with_lines(self, problems: Sequence[Problem]) -> tuple[Problem, ...]:
        """Give problems the lines they have in the text that is on screen."""
        if not any(p.where and p.line is None for p in problems):
            return tuple(problems)
        try:
            shown = Recipe.load(self.text)
        except RecipeError:
            return tuple(problems)
        return tuple(p if p.line or not p.where else replace(p, line=shown.line(p.where)) for p in problems)

    def _change_family(self, keep_chosen: bool) -> None:
        """Let go of what belonged to the former models. Their scores and pins stay with their steps."""
        if not keep_chosen:
            self.choice = Choice()
        self.pool.keep_family(self.recipe)
        self.notes.show_scores_of(self.recipe)

    def _examined(self, recipe: Recipe) -> tuple[Plan | None, list[Problem]]:
        """Plan and problems; where only numbers changed, from the present plan, in a tenth of the time."""
        plan = revise_plan(self.plan, recipe) if self.plan is not None else None
        return examine(recipe) if plan is None else (plan, worst_first([*recipe.notes, *plan.problems]))

    def __repr__(self) -> str:
        errors = sum(p.severity == "error" for p in self.problems)
        return (
            f"<StudioState {self.recipe!r}: {'ready' if self.plan else f'{errors} errors'}, step {self.history.number}>"
        )


def is_same_form(one: Recipe, other: Recipe) -> bool:
    """Whether two recipes mean the same, with gradients in the same form: knots may lie on a line."""

    def forms(recipe: Recipe) -> list[Any]:
        return [(where, name, s.plain()) for where, given, _, _ in levels(recipe) for name, s in given.items()]

    return one == other and forms(one) == forms(other)


def _read_source(source: Any, recipe: Recipe) -> str | None:
    """The text that a recipe was read from, where that is YAML, to be shown as it was written."""
    if isinstance(source, str) and recipe.origin == FROM_YAML:
        return source
    if isinstance(source, str | PathLike) and recipe.origin.startswith("the YAML file"):
        return read_file(Path(source).expanduser())
    return None
