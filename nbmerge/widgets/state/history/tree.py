"""The tree of steps. Going back and changing something begins a branch; nothing is overwritten.

Undo goes to the parent of the current step, redo to the child that was visited last. The tree is bounded: the steps
that matter least are let go first, and their children move up to their parents.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from nbmerge.errors import ArgumentError
from nbmerge.recipe import Recipe, change_text
from nbmerge.widgets.state.history.step import LONGEST_NAME, Step

MOST_STEPS = 500
"""Most steps that are kept."""


class History:
    """Steps, of which one is current.

    Parameters
    ----------
    steps : iterable of Step
        Parents before children; a parent that is not among them counts as none.
    current : int, optional
        Id of the current step; default the last.
    """

    def __init__(self, steps: Iterable[Step] = (), current: int | None = None):
        self._steps: dict[int, Step] = {}
        self._redo: dict[int, int] = {}
        self._unwritten: set[int] = set()  # steps whose text may follow from that of their parents
        self.current_id: int | None = None
        for step in steps:
            if step.id not in self._steps:  # a second one could make a circle
                known = step.parent in self._steps
                self._steps[step.id] = step if known else replace(step, parent=None)
        if self._steps:
            self.go(current if current in self._steps else max(self._steps))

    # --- reading ---

    def __len__(self) -> int:
        return len(self._steps)

    def __iter__(self) -> Iterator[Step]:
        """Oldest first."""
        return iter(list(self._steps.values()))

    def __contains__(self, id: object) -> bool:
        return id in self._steps

    def __getitem__(self, id: int) -> Step:
        try:
            return self._steps[id]
        except KeyError:
            raise ArgumentError(f"the history has no step {id!r}; it may have been pruned.") from None

    @property
    def current(self) -> Step | None:
        """The step on screen."""
        return None if self.current_id is None else self._steps[self.current_id]

    @property
    def can_undo(self) -> bool:
        """Whether the current step has a parent."""
        return self.current is not None and self.current.parent is not None

    @property
    def can_redo(self) -> bool:
        """Whether the current step has children."""
        return self.current_id in self._redo

    @property
    def number(self) -> int:
        """How many steps lead to the current one, itself included."""
        return len(self.path_to(self.current_id)) if self.current_id is not None else 0

    def get(self, id: int) -> Step | None:
        """A step, None where there is none."""
        return self._steps.get(id)

    def parent_of(self, step: Step) -> Step | None:
        """The step before, None for a root."""
        return None if step.parent is None else self._steps[step.parent]

    def path_to(self, id: int) -> list[Step]:
        """From the root to a step, both included."""
        path, step = [], self._steps.get(id)
        while step is not None:
            path.append(step)
            step = self.parent_of(step)
        return path[::-1]

    def find(self, fingerprint: str) -> Step | None:
        """The latest step with an equal recipe, the current one if it is."""
        if self.current is not None and self.current.fingerprint == fingerprint:
            return self.current
        return next((s for s in reversed(self._steps.values()) if s.fingerprint == fingerprint), None)

    # --- walking ---

    def go(self, id: int) -> Step:
        """Make a step the current one."""
        step = self[id]
        self.current_id = id
        path = self.path_to(id)
        self._redo |= {before.id: after.id for before, after in itertools.pairwise(path)}
        return step

    def undo(self) -> Step | None:
        """Go to the parent; None at a root."""
        current = self.current
        return None if current is None or current.parent is None else self.go(current.parent)

    def redo(self) -> Step | None:
        """Go to the child that was visited last; None at a leaf."""
        return self.go(self._redo[self.current_id]) if self.current_id in self._redo else None

    # --- changing ---

    def add(self, recipe: Recipe, source: str | None = None, *, amend: bool = False) -> Step:
        """Add a child of the current step and make it the current one.

        Parameters
        ----------
        recipe : Recipe
        source : str, optional
            The text it was read from.
        amend : bool
            Replace the current step instead, where nothing is attached to it: no name, no score, no pin, no child.
        """
        current = self.current
        if amend and current is not None and not current.importance and not self.can_redo:
            step = replace(current, given=recipe, source=source, time=time.time(), summary=None)
        else:
            step = Step(max(self._steps, default=0) + 1, recipe, source, self.current_id, time.time())
        self._steps[step.id] = step
        if source is None and step.parent is not None:
            self._unwritten.add(step.id)
        self.go(step.id)
        self.prune(MOST_STEPS)
        return step

    def add_beside(self, recipe: Recipe) -> Step:
        """Add a step beside the current one, which stays current: a recipe that was left before its scores were there."""
        parent = self.current.parent if self.current is not None else None
        step = Step(max(self._steps, default=0) + 1, recipe, None, parent, time.time())
        self._steps[step.id] = step
        self._unwritten.add(step.id)
        return step

    def text_of(self, id: int) -> str:
        """The text of a step: that of the step before with what has changed, where that one was written by a person."""
        steps = [self[id]]
        while steps[-1].id in self._unwritten and (parent := self.parent_of(steps[-1])) is not None:
            steps.append(parent)
        for before, step in itertools.pairwise(reversed(steps)):
            self._unwritten.discard(step.id)
            source = self[before.id].source
            text = None if source is None else change_text(source, step.recipe, before.recipe)
            if text is not None:
                self.note(step.id, source=text)
        return self[id].text

    def write_texts(self) -> None:
        """Find the text of every step, for histories that are made from these steps."""
        for id in sorted(self._unwritten):
            self.text_of(id)

    def adopt(self, other: History) -> None:
        """Add all steps of another history beside these, and go to its current step."""
        other.write_texts()
        above = max(self._steps, default=0)
        for step in other:
            parent = None if step.parent is None else step.parent + above
            self._steps[step.id + above] = replace(step, id=step.id + above, parent=parent)
        if other.current_id is not None:
            self.go(other.current_id + above)
        self.prune(MOST_STEPS)

    def note(self, id: int, **changes: Any) -> Step:
        """Change what is attached to a step: name, scores, pins, summary."""
        step = replace(self[id], **changes)
        self._steps[id] = step
        return step

    def rename(self, id: int, name: str) -> None:
        """Name a step; an empty name removes it."""
        self.note(id, name=" ".join(name.split())[:LONGEST_NAME])

    def prune(self, most: int) -> None:
        """Let the least important steps go until at most `most` are left.

        Steps without name, pin or score go first: those beside the current step's path before those on it, the oldest
        first. The current step stays.
        """
        if len(self._steps) <= most:
            return
        path = {step.id for step in self.path_to(self.current_id or 0)}
        order = sorted(
            (s for s in self if s.id != self.current_id), key=lambda s: (s.importance, s.id in path, s.time, s.id)
        )
        for step in order[: len(self._steps) - most]:
            self._remove(self._steps[step.id])  # as it is now: its parent may have gone

    def _remove(self, step: Step) -> None:
        """Take out one step; its children become children of its parent."""
        for child in [s for s in self if s.parent == step.id and s.id in self._unwritten]:
            self.text_of(child.id)
        del self._steps[step.id]
        self._unwritten.discard(step.id)
        children = [s for s in self if s.parent == step.id]
        for child in children:
            self._steps[child.id] = replace(child, parent=step.parent, summary=None)
        next_child = self._redo.pop(step.id, None)
        self._redo = {before: after for before, after in self._redo.items() if after != step.id}
        if step.parent is not None and children and step.parent not in self._redo:
            self._redo[step.parent] = next_child if next_child in self._steps else children[-1].id
