"""The History panel: every step as a tree with words, a small picture, scores and names, and what differs between two."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import ipywidgets

from nbmerge.engine.differences import Difference, describe_difference
from nbmerge.errors import NbmergeError
from nbmerge.palette import label_colours
from nbmerge.recipe import ModelRef, Recipe
from nbmerge.widgets.controls.python_code import write_code
from nbmerge.widgets.controls.view import View
from nbmerge.widgets.panels.panel import Panel
from nbmerge.widgets.state.after_rest import AfterRest
from nbmerge.widgets.state.history import Line, Place, lay_out, list_pareto_best
from nbmerge.widgets.state.names import shorten_in

MOST_ROWS = 120
"""Steps on screen; of more, the oldest without name, pin or score are left out."""
REST = 0.3
"""Seconds after which a step that is still being changed is put into words."""
LETTERS = 24
"""Letters of a model's name in the words of a step."""
MOST_CURVES = 6
"""Curves that are compared."""


class HistoryView(View):
    """The drawing of the History panel."""

    script = "history"


class HistoryPanel(Panel):
    """Return to any step, name it, and compare two of them."""

    title = "History"

    def _build(self) -> list[ipywidgets.Widget]:
        self._compared: tuple[int, int] | None = None
        self._difference: Difference | None = None
        self._drawn: tuple[Any, ...] = ()
        self.view = HistoryView(
            {"go": self._go, "undo": self._undo, "redo": self._redo, "rename": self._rename,
             "compare": self._compare, "close_comparison": self._close_comparison},
            self.errors,
        )  # fmt: skip
        self._soon = AfterRest(self._put_into_words, REST, 2.0, "nbmerge history")
        self.at_close(self._soon.close)
        self.watch(self.state.notes, self.errors(lambda change: self.redraw()), "revision")
        return [self.view]

    # --- actions ---

    def _go(self, step: int) -> None:
        self.state.go(step)

    def _undo(self) -> None:
        self.state.undo()

    def _redo(self) -> None:
        self.state.redo()

    def _rename(self, step: int, name: str) -> None:
        self.state.notes.rename(step, name)

    def _compare(self, before: int, after: int) -> None:
        history = self.state.history
        first, second = history.get(before), history.get(after)
        if first is None or second is None:
            raise NbmergeError("One of these steps is no longer in the history. Choose two others.")
        self._compared = before, after
        self._difference = describe_difference(first.recipe, second.recipe)
        self._draw()

    def _close_comparison(self) -> None:
        self._compared = self._difference = None
        self._draw()

    # --- state to screen ---

    def _refresh(self) -> None:
        if self._place() != self._drawn:  # while a slider moves, one step is changed again and again
            self._draw()
        self._soon.note_change()

    def _place(self) -> tuple[Any, ...]:
        """What a walk through the history changes, one after the other; a thread may draw in between."""
        state = self.state
        return state.history.current_id, len(state.history), state.can_undo, state.can_redo

    def _put_into_words(self) -> None:
        """In a thread: words and pictures of new steps; the state then says that they are there."""
        if any(step.summary is None for step in self.state.history):
            self.errors(self.state.notes.summarise)()
        else:
            self.errors(self.redraw)()

    def _draw(self) -> None:
        """Under the state's lock: a thread draws too, what is drawn last must be newest, and a second lock could deadlock."""
        with self.state.lock:
            self._draw_steps()

    def _draw_steps(self) -> None:
        history, scores = self.state.history, self.state.notes.scores
        self._drawn = self._place()
        lower = {name: scores.is_lower_better(name) for name in scores.scores}
        best = list_pareto_best(history, lower)
        path = {step.id for step in history.path_to(history.current_id)} if history.current_id is not None else set()
        places = lay_out(history, MOST_ROWS)
        names = [ref.name for place in places for ref in _list_models(place.step.recipe)]
        self.view.show({
            "steps": [self._describe(place, best, path, names) for place in places],
            "hidden": len(history) - len(places),
            "lanes": 1 + max((place.lane for place in places), default=0),
            "can_undo": self.state.can_undo,
            "can_redo": self.state.can_redo,
            "comparison": self._describe_comparison(),
            "code": write_code(self.state.text) if self.state.recipe is not None else "",
        })  # fmt: skip

    def _describe(self, place: Place, best: set[int], path: set[int], names: Sequence[str]) -> dict[str, Any]:
        step, summary = place.step, place.step.summary
        return {
            "id": step.id,
            "lane": place.lane,
            "parent": place.parent_row,
            "current": step.id == self.state.history.current_id,
            "path": step.id in path,
            "time": _say_time(step.time),
            "name": step.name,
            "words": summary.words if summary else "",
            "short": shorten_in(summary.words, names, LETTERS) if summary else "",
            "lines": _describe_lines(summary.lines, step.recipe) if summary else [],
            "scores": [{"name": n, "value": v if v == v else None} for n, v in step.scores.items()],
            "best": step.id in best,
            "pins": list(step.pins),
        }

    def _describe_comparison(self) -> dict[str, Any] | None:
        if self._compared is None or self._difference is None:
            return None
        curves = []
        for change in self._difference.changes[:MOST_CURVES]:
            before, after = change.mean_rows
            if before and after:
                curves.append({"title": change.title, "before": list(before), "after": list(after)})
        names = [self._name_step(id) for id in self._compared]
        words = list(self._difference.words) or ["no difference"]
        return {"steps": list(self._compared), "names": names, "words": words, "curves": curves}

    def _name_step(self, id: int) -> str:
        step = self.state.history.get(id)
        return "a step that is gone" if step is None else step.name or _say_time(step.time)


def _describe_lines(lines: Sequence[Line], recipe: Recipe) -> list[dict[str, Any]]:
    """Values, and the colour of the model that a line is of; None for one of the whole merge."""
    base = recipe.base_model.name if recipe.base_model else None
    colours = label_colours((ref.name for ref in _list_models(recipe)), base)
    return [{"values": list(line.values), "colour": colours.get(line.title.partition(" of ")[2])} for line in lines]


def _list_models(recipe: Recipe) -> list[ModelRef]:
    return [*([recipe.base_model] if recipe.base_model else []), *recipe.references]


def _say_time(seconds: float) -> str:
    then, now = time.localtime(seconds), time.localtime()
    return time.strftime("%H:%M" if then[:3] == now[:3] else "%d %b %H:%M", then)
