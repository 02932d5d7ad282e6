"""The Compare panel: a blind test of two merges or of a merge and a parent, and a grid of samples over parameters."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any, Literal

import ipywidgets

from nbmerge.engine.planning import Plan
from nbmerge.errors import NbmergeError
from nbmerge.sampling import GridAxis, SampleGrid, sample_grid
from nbmerge.widgets.controls.view import View
from nbmerge.widgets.panels.panel import Panel
from nbmerge.widgets.state.debounce import DebouncedRunner
from nbmerge.widgets.state.names import shorten_in
from nbmerge.widgets.state.trials import list_axes, list_candidates, read_axis, sample_blindly

TOKENS = 24
"""New tokens of each text."""
LETTERS = 32
"""Letters of a model's name."""


class CompareView(View):
    """The drawing of the Compare panel."""

    script = "compare"


class ComparePanel(Panel):
    """Which of two models is better, without knowing which is which; and what values of parameters do to a text."""

    title = "Compare"

    def _build(self) -> list[ipywidgets.Widget]:
        self.runner = DebouncedRunner(self.errors.show, "compare", self.state.activities)
        self.at_close(self.runner.close)
        self.grid: SampleGrid | None = None
        self._note, self._seed = "", 0
        self.view = CompareView(
            {"start_blind": self._start_blind, "vote": self._vote, "end_blind": self._end_blind,
             "start_grid": self._start_grid, "take": self._take, "stop": self.runner.stop},
            self.errors,
        )  # fmt: skip
        self.runner.observe(self.errors(lambda change: self.redraw()), "busy")
        self.watch(self.state.notes, self.errors(lambda change: self.redraw()), "revision")
        return [self.view]

    # --- blind test ---

    def _start_blind(self, first: str, second: str) -> None:
        known = {c.key: c for c in list_candidates(self.state)}
        if first not in known or second not in known:
            raise NbmergeError("One of these models is not there any more. Choose two others.")
        prompts = [line for line in self.state.prompts.split("\n") if line.strip()]
        self._seed += 1

        def work(cancel: threading.Event) -> None:
            self._note = "Sampling both models …"
            self.redraw()
            try:
                test = sample_blindly(self.state, known[first], known[second], prompts, TOKENS, self._seed, cancel)
                self.state.notes.set_blind_test(test)
            finally:
                self._note = ""

        self.runner.submit(work)

    def _vote(self, side: Literal["left", "right", "tie"]) -> None:
        test = self.state.notes.blind_test
        if test is not None:
            test.vote(side)
            self.state.notes.set_blind_test(test)

    def _end_blind(self) -> None:
        self.state.notes.set_blind_test(None)

    # --- grid ---

    def _start_grid(self, columns: str, column_values: str, rows: str, row_values: str, prompt: str) -> None:
        plan = self._plan()
        across = read_axis(plan, columns, column_values)
        down = read_axis(plan, rows, row_values) if rows else None
        if not prompt.strip():
            raise NbmergeError("Type a prompt.")
        self.runner.submit(self._sample_grid(plan, prompt, across, down))

    def _sample_grid(self, plan: Plan, prompt: str, across: GridAxis, down: GridAxis | None) -> Callable[[Any], None]:
        height, width = 1 if down is None else len(down.values), len(across.values)
        cells: list[list[Any]] = [[None] * width for _ in range(height)]

        def show(column: int, row: int, made: Any) -> None:
            cells[row][column] = made
            self.grid = SampleGrid(plan.recipe, prompt, across, down, tuple(map(tuple, cells)))
            done = sum(s is not None for line in cells for s in line)
            self._note = f"{done} of {width * height} sampled"
            self.redraw()

        def work(cancel: threading.Event) -> None:
            self._note = "Merging in memory …"
            self.redraw()
            try:
                self.grid = sample_grid(
                    plan, prompt, across, down, max_new_tokens=TOKENS, on_sample=show, progress=False, cancel=cancel
                )
            finally:
                self._note = ""

        return work

    def _take(self, column: int, row: int) -> None:
        """Go on from the recipe of one cell."""
        grid = self.grid
        if grid is not None and 0 <= row < len(grid.samples) and 0 <= column < len(grid.samples[row]):
            self.state.set_recipe(grid.recipe_at(column, row))

    def _plan(self) -> Plan:
        if self.state.plan is None:
            raise NbmergeError("Fix the errors in the recipe first.")
        return self.state.plan

    # --- state to screen ---

    def _refresh(self) -> None:
        self._draw()

    def _draw(self) -> None:
        plan = self.state.plan
        labels = list(plan.labels.values()) if plan is not None else []
        self.view.show({
            "candidates": _list_choices(list_candidates(self.state), labels),
            "parameters": _list_choices(list_axes(plan) if plan else [], labels),
            "prompt": next((line for line in self.state.prompts.split("\n") if line.strip()), ""),
            "busy": self.runner.busy,
            "note": self._note,
            "blind": self._describe_blind(),
            "grid": self._describe_grid(),
        })  # fmt: skip

    def _describe_blind(self) -> dict[str, Any] | None:
        test = self.state.notes.blind_test
        if test is None:
            return None
        number, result = test.next, test.result
        pair = None if number is None else test.pairs[number]
        return {
            "number": len(test.pairs) - result.open,
            "count": len(test.pairs),
            "pair": pair and {"prompt": pair.prompt, "left": pair.left, "right": pair.right},
            "score": str(result),
        }

    def _describe_grid(self) -> dict[str, Any] | None:
        grid = self.grid
        if grid is None:
            return None
        rows = [] if grid.rows is None else [f"{v:g}" for v in grid.rows.values]
        return {
            "prompt": grid.prompt,
            "columns": [f"{v:g}" for v in grid.columns.values],
            "rows": rows,
            "cells": [[None if s is None else s.text for s in row] for row in grid.samples],
        }


def _list_choices(choices: Sequence[Any], labels: Sequence[str]) -> list[dict[str, str]]:
    """What can be chosen, with long names short; whole on hover."""
    return [{"key": c.key, "title": shorten_in(c.title, labels, LETTERS), "whole": c.title} for c in choices]
