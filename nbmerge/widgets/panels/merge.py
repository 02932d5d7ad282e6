"""The Merge panel: the output folder, a forecast of the cost, and the merge itself."""

from __future__ import annotations

import html
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ipywidgets

from nbmerge.engine.cost import forecast
from nbmerge.engine.merge import MergeResult, merge
from nbmerge.engine.output import check_output
from nbmerge.errors import NbmergeError, OutputError
from nbmerge.recipe.parts import DTYPES
from nbmerge.sizes import human
from nbmerge.widgets.controls.elements import field, problem_list, row, set_visible, text
from nbmerge.widgets.controls.job_row import JobRow
from nbmerge.widgets.panels.panel import Panel


class MergePanel(Panel):
    """Write the merged model to disk."""

    title = "Merge"

    def _build(self) -> list[ipywidgets.Widget]:
        self.out = field(ipywidgets.Text, "Output folder", value="merged", continuous_update=False)
        self.out.add_class("nbm-grow")
        self.overwrite = ipywidgets.Checkbox(
            description="replace an existing model", indent=False, layout={"width": "auto"}
        )
        self.dtype = field(ipywidgets.Dropdown, "dtype", options=[("as stored", ""), *((d, d) for d in DTYPES)])
        self.forecast = text(kind="quiet")
        self.obstacle = text(kind="problem-box")
        self.job = JobRow(
            self.state.job, "the merge", "Merge", "Write the merged model to the output folder",
            self._work, self._written, self.errors,
        )  # fmt: skip
        self.job.stopped_note = "Stopped; no output folder was created. Merge again to resume."
        self.result = text(kind="result")
        self._last: MergeResult | None = None
        self.out.observe(self.errors(lambda change: self._check()), "value")
        self.overwrite.observe(self.errors(lambda change: self._check()), "value")
        self.dtype.observe(self.errors(self._set_dtype), "value")
        return [row(self.out, self.dtype, self.overwrite), self.forecast, self.job, self.result, self.obstacle]

    def _refresh(self) -> None:
        recipe = self.state.recipe
        self._busy = True
        try:
            self.dtype.value = (recipe.out_dtype or recipe.dtype or "") if recipe else ""
        finally:
            self._busy = False
        self._check()

    def _check(self) -> None:
        """Show what the merge will cost, or why it cannot be started."""
        plan = self.state.plan
        self.forecast.value = f"This merge {html.escape(str(forecast(plan)))}." if plan else ""
        obstacle = problem_list(tuple(p for p in self.state.problems if p.severity != "info"), self.state.text)
        blocked = plan is None
        if plan is not None:
            try:
                check_output(plan, self._folder(), self.overwrite.value)
            except OutputError as error:
                blocked = True
                kind = "info" if self._own_output() else "error"  # the merge that was just written is not a mistake
                obstacle += f"<ul class='nbm-problems'><li class='nbm-{kind}-item'>{html.escape(_adapt_to_panel(error))}</li></ul>"
        self.obstacle.value = obstacle
        self._show_result()
        set_visible(self.obstacle, bool(obstacle))
        self.job.allow(not blocked)

    def _own_output(self) -> bool:
        name = self.out.value.strip()
        return bool(name) and self._last is not None and Path(name).expanduser().absolute() == self._last.path

    def _folder(self) -> Path:
        name = self.out.value.strip()
        if not name:
            raise OutputError("Enter an output folder.")
        return Path(name).expanduser()

    def _set_dtype(self, change: dict[str, Any]) -> None:
        if not self._busy and self.state.recipe is not None:
            self.state.edit(lambda recipe: recipe.replace(dtype=change["new"] or None, out_dtype=None))

    def _work(self) -> Callable[..., MergeResult]:
        plan, out, overwrite = self.state.plan, self._folder(), self.overwrite.value
        if plan is None:
            raise NbmergeError("Fix the errors in the recipe first.")
        self._last = None
        self._show_result()
        return lambda progress, cancel: merge(plan, out, overwrite=overwrite, progress=progress, cancel=cancel)

    def _written(self, result: MergeResult) -> None:
        self._last = result
        self._check()

    def _show_result(self) -> None:
        """Show what was written last, and whether it matches the present recipe."""
        result = self._last
        if result is None:
            self.result.value = ""
            return
        plan, recipe = result.plan, self.state.recipe
        same = recipe is not None and recipe.fingerprint == plan.recipe.fingerprint
        size = f"{len(plan.tensors)} tensors, {human(plan.bytes_written)}, {result.seconds:.1f} s"
        notes = [f"{n} {'tensor' if n == 1 else 'tensors'}: {html.escape(t)}" for t, n in result.notes.items()]
        path = html.escape(str(result.path))
        load = html.escape(f'AutoModelForCausalLM.from_pretrained("{result.path}")')
        lines = [
            f"<b>{'Written' if same else 'Written, from an earlier recipe'}:</b> <code>{path}</code> ({size})",
            f"Load it with <code>{load}</code>",
            *notes,
            *(f"<b>Warning:</b> {html.escape(str(problem))}" for problem in result.warnings),
        ]
        self.result.value = f"<div class='nbm-done'>{'<br>'.join(lines)}</div>"


def _adapt_to_panel(error: Exception) -> str:
    return str(error).replace("pass overwrite=True (--overwrite) to replace it", "tick “replace an existing model”")
