"""Writing the merged model: where to, what it costs, and what became of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from nbmerge.errors import NbmergeError
from nbmerge.sizes import human
from nbmerge.widgets.controls.progress_text import format_seconds
from nbmerge.widgets.panels.setup.form import Form, FormPanel
from nbmerge.widgets.state.merging import Merging


class MergeForm(Form):
    """Choose the output folder, see the cost, and merge."""

    kind = "merge"

    @property
    def merging(self) -> Merging:
        """What merges, shared by everything that shows this state."""
        return self.state.merging

    @property
    def actions(self) -> Mapping[str, Callable[..., Any]]:
        """What the browser may ask for."""
        merging = self.merging
        return {
            "set_out": merging.set_out, "set_overwrite": self._set_overwrite, "propose_out": merging.propose,
            "merge": self.start, "discard": merging.discard, "stop_merge": self.stop,
        }  # fmt: skip

    def _set_overwrite(self, value: bool) -> None:
        self.merging.set_overwrite(value)

    def start(self) -> None:
        """Write the merged model."""
        if self.state.plan is None:
            raise NbmergeError("The recipe has errors. Fix them first: the line below the setup bar lists them.")
        self.merging.start(self.state.plan)

    def stop(self) -> None:
        """Stop the merge; what is finished is kept."""
        if self.merging.is_running:
            self.state.job.stop()

    def describe_progress(self) -> str:
        """How far the merge is: "Merging 43 %"."""
        event = self.state.job.event
        share = event.bytes_done / event.bytes if event is not None and event.bytes else None
        if event is not None and event.kind == "fetching":
            return "Downloading" if share is None else f"Downloading {share:.0%}"
        return "Merging" if share is None else f"Merging {share:.0%}"

    def describe_button(self) -> str:
        """The merge with its size and time: "Merge · 16.1 GB · 1 min"."""
        plan = self.state.plan
        if plan is None:
            return "Merge"
        _, seconds = self.merging.forecast(plan)
        parts = ["Merge", human(plan.bytes_written), *([] if seconds is None else [format_seconds(seconds)])]
        return " · ".join(parts)

    def content(self) -> dict[str, Any]:
        """All that the browser draws."""
        merging, plan = self.merging, self.state.plan
        exists = merging.exists
        proposed = ""
        if exists:
            from nbmerge.engine.output import propose_output

            proposed = propose_output(merging.folder).name
        why = "Solve the problems of the recipe first." if plan is None else merging.find_obstacle(plan)
        kept = merging.kept
        verb = "Resume" if kept is not None and kept.bytes else "Replace" if merging.overwrite and exists else "Merge"
        return {
            "out": merging.out, "overwrite": merging.overwrite, "exists": exists, "proposed": proposed,
            "cost": [] if plan is None else self._list_costs(plan), "why": why,
            "blocked": bool(why) or self.state.job.running, "running": merging.is_running,
            "label": self.describe_progress() if merging.is_running else verb,
            "kept": human(kept.bytes) if kept is not None and kept.bytes else "",
            "result": None if merging.result is None else self._describe_result(),
        }  # fmt: skip

    def _list_costs(self, plan: Any) -> list[tuple[str, str]]:
        cost, seconds = self.merging.forecast(plan)
        time = "measuring this machine …" if seconds is None else f"about {format_seconds(seconds)}"
        downloads = [("downloads", ", ".join(map(str, cost.downloads)))] if cost.downloads else []
        return [
            *downloads, ("reads", human(cost.bytes_read)), ("writes", human(cost.bytes_written)),
            ("memory", f"about {human(cost.memory_bytes)}"), ("time", time),
        ]  # fmt: skip

    def _describe_result(self) -> dict[str, Any]:
        """What was written last, and whether it matches the present recipe."""
        result, recipe = self.merging.result, self.state.recipe
        same = recipe is not None and recipe.fingerprint == result.plan.recipe.fingerprint
        notes = [f"{n} {'tensor' if n == 1 else 'tensors'}: {text}" for text, n in result.notes.items()]
        size = human(result.plan.bytes_written)
        return {
            "title": "Written:" if same else "Written, from an earlier recipe:", "path": str(result.path),
            "facts": f"{len(result.plan.tensors)} tensors, {size}, {result.seconds:.1f} s",
            "load": f'AutoModelForCausalLM.from_pretrained("{result.path}")',
            "notes": [*notes, *(f"Warning: {problem}" for problem in result.warnings)],
        }  # fmt: skip


class MergePanel(FormPanel):
    """Write the merged model to disk."""

    title = "Merge"
    form_class = MergeForm

    def _build(self) -> list[Any]:
        widgets = super()._build()
        self.watch(self.state.merging, self.errors(lambda change: self._refresh()), "revision")
        self.watch(self.state.job, self.errors(lambda change: self._refresh()), "status")
        return widgets
