"""What is attached to the steps of a history: names, scores, pins, summaries, and a blind test of two of them."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from traitlets import HasTraits, Int

from nbmerge.recipe import Recipe
from nbmerge.sampling import BlindTest, ScoreHistory, ScoreRecord
from nbmerge.sampling.score_history import Score
from nbmerge.widgets.state.history.summary import Summariser
from nbmerge.widgets.state.history.tree import History

if TYPE_CHECKING:
    from nbmerge.optimisation import SearchResult


class Notes(HasTraits):
    """A history with what is attached to its steps.

    Parameters
    ----------
    lock : RLock
        Held while it changes.

    Attributes
    ----------
    revision : int
        Counts changes of what is attached. Observe this one.
    history : History
        Every recipe that was on screen, as a tree.
    scores : ScoreHistory
        Scores and their values for the models of the present recipe.
    blind_test : BlindTest or None
        The blind test that is going on; change it with `set_blind_test`.
    """

    revision = Int(0)

    def __init__(self, lock: threading.RLock):
        super().__init__()
        self._lock = lock
        self.history = History()
        self.scores = ScoreHistory()
        self.blind_test: BlindTest | None = None
        self._summariser, self._summarising = Summariser(), threading.Lock()

    def rename(self, step: int, name: str) -> None:
        """Name a step; an empty name removes it."""
        with self._lock:
            self.history.rename(step, name)
            self.revision += 1

    def summarise(self) -> None:
        """Put every step into words that has none yet. Takes milliseconds for each, so call it in a thread."""
        with self._summarising:
            new = [step for step in self.history if step.summary is None]
            for step in new:
                parent = self.history.parent_of(step)
                summary = self._summariser.summarise(step.recipe, parent.recipe if parent else None)
                with self._lock:
                    now = self.history.get(step.id)
                    if now is not None and now.recipe is step.recipe and now.parent == step.parent:
                        self.history.note(step.id, summary=summary)
        if new:
            self.revision += 1

    def add_scores(self, record: ScoreRecord) -> None:
        """Attach scores to the step with the recipe that they were computed for."""
        with self._lock:
            if record.recipe is not None:
                step = self.history.find(record.fingerprint) or self.history.add_beside(record.recipe)
                self.history.note(step.id, scores={**step.scores, **record.values})
            self.revision += 1

    def add_search(self, found: SearchResult, most: int = 5) -> None:
        """Add the best recipes of a search beside the current step, with their scores; the trial is their name."""
        with self._lock:
            for trial in found.ranked(most):
                recipe = found.recipe(trial.number)
                step = self.history.find(recipe.fingerprint) or self.history.add_beside(recipe)
                apart = {f"{name}, held out": value for name, value in trial.held_out.items()}
                self.history.note(step.id, scores={**step.scores, **trial.scores, **apart})
                if not step.name:
                    self.history.rename(step.id, f"search, trial {trial.number}")
            self.revision += 1

    def set_score(self, name: str, score: Score | None, lower: bool | None = None) -> None:
        """Add a score or replace the one of that name; None removes it with its values."""
        with self._lock:
            if score is not None:
                self.scores.add(name, score, lower)
            elif name in self.scores.scores:
                self.scores.remove(name)
            self.revision += 1

    def show_scores_of(self, family: Recipe | None) -> None:
        """Take the values of `scores` from the steps whose recipes have a model in common with this one."""
        scored = [s for s in self.history if s.scores and family is not None and shares_models(s.recipe, family)]
        self.scores.records = [ScoreRecord(s.fingerprint, s.recipe, dict(s.scores)) for s in scored]

    def add_pin(self, name: str, recipe: Recipe) -> None:
        """Attach the name of a pinned merge to the step with its recipe."""
        with self._lock:
            self._drop_pin(name)
            step = self.history.find(recipe.fingerprint) or self.history.add_beside(recipe)
            self.history.note(step.id, pins=(*step.pins, name))
            self.revision += 1

    def remove_pin(self, name: str) -> None:
        """Note that a merge is no longer pinned."""
        with self._lock:
            self._drop_pin(name)
            self.revision += 1

    def set_blind_test(self, test: BlindTest | None) -> None:
        """Note a blind test, or a vote in it; None ends it."""
        self.blind_test = test
        self.revision += 1

    def take(self, history: History) -> None:
        """Go on from another history. What was done here stays, as a tree of its own beside it."""
        with self._lock:
            if len(self.history) <= 1 and not any(step.importance for step in self.history):
                history.write_texts()
                self.history = History(history, history.current_id)
            else:
                self.history.adopt(history)

    def release(self) -> None:
        """Free what only makes the next summary faster."""
        with self._summarising:
            self._summariser = Summariser()

    def _drop_pin(self, name: str) -> None:
        for step in self.history:
            if name in step.pins:
                self.history.note(step.id, pins=tuple(p for p in step.pins if p != name))


def shares_models(one: Recipe, other: Recipe) -> bool:
    """Whether two recipes are of one family: they have a model in common."""
    return not set(map(str, one.references)).isdisjoint(map(str, other.references))
