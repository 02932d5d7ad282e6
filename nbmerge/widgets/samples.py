"""The Samples panel: the same prompts put to each parent and to the merge, which lives in memory only."""

from __future__ import annotations

import html
import time
from collections.abc import Callable
from typing import Any

import ipywidgets
from ipywidgets import Layout

from nbmerge.engine.plan import Plan
from nbmerge.engine.progress import Event
from nbmerge.errors import MergeStopped, NbmergeError
from nbmerge.widgets.colours import model_colours
from nbmerge.widgets.jobrow import JobRow
from nbmerge.widgets.models import bundled
from nbmerge.widgets.panel import Panel, field, hint, row, show, text

MERGE = "the merge"
PROMPTS = ("Once upon a time", "The best way to learn is")
"""Where nothing is known about the models."""


class SamplesPanel(Panel):
    """Read what the parents and the merge say."""

    title = "Samples"

    def _build(self) -> list[ipywidgets.Widget]:
        self.prompts = ipywidgets.Textarea(
            layout=Layout(width="auto", height="84px"), placeholder="one prompt per line"
        )
        self.prompts.add_class("nbm-code")
        self.length = field(ipywidgets.BoundedIntText, "Tokens", "120px", value=24, min=1, max=4096)
        self.temperature = field(
            ipywidgets.BoundedFloatText, "Temperature", "160px", value=0.0, min=0.0, max=5.0, step=0.1,
        )  # fmt: skip
        hint(self.temperature, "0 always takes the likeliest token")
        self.seed = field(ipywidgets.BoundedIntText, "Seed", "120px", value=0, min=0, max=2**31 - 1)
        self.job = JobRow(
            self.state.job, "sampling", "Generate", "Ask each parent and the merge; nothing is saved",
            self._work, self._told, self.errors,
        )  # fmt: skip
        self.note = text(kind="quiet")
        self.answers = text(kind="answers")
        self._parents: dict[str, Any] = {}
        self._live: Any = None
        self._texts: dict[str, list] = {}
        self._of = ""
        settings = row(self.length, self.temperature, self.seed)
        label = text("Prompts, one per line", "quiet")
        return [label, self.prompts, settings, self.job, self.note, self.answers]

    def _refresh(self) -> None:
        plan = self.state.plan
        if not self.prompts.value and plan is not None:
            self.prompts.value = "\n".join(suggested(plan))
        self.job.allow(plan is not None)
        self._mark()

    def _mark(self) -> None:
        plan = self.state.plan
        stale = bool(self._texts) and (plan is None or plan.recipe.fingerprint != self._of)
        self.note.value = (
            "<b>Out of date:</b> the merge's texts are of an earlier recipe. Generate again." if stale else ""
        )
        show(self.note, stale)
        (self.answers.add_class if stale else self.answers.remove_class)("nbm-stale")

    def _work(self) -> Callable[..., None]:
        plan = self.state.plan
        prompts = [p for p in self.prompts.value.split("\n") if p.strip()]
        if plan is None:
            raise NbmergeError("The recipe has errors; mend them first.")
        if not prompts:
            raise NbmergeError("Type a prompt: what the models shall continue.")
        settings = {"max_new_tokens": self.length.value, "temperature": self.temperature.value, "seed": self.seed.value}
        return lambda progress, cancel: self._ask(plan, prompts, settings, progress, cancel)

    def _ask(self, plan: Plan, prompts: list[str], settings: dict, progress: Any, cancel: Any) -> None:
        """In the worker thread: one model after the other, each text on screen as soon as it is there."""
        from nbmerge.sampling import sample

        names = [*plan.parents, MERGE]
        self._texts, self._of = {name: [] for name in names}, plan.recipe.fingerprint
        colours, began, total = model_colours(plan), time.perf_counter(), len(names) * len(prompts)
        for name in names:
            model = self._merged(plan, cancel) if name == MERGE else self._parent(plan, name)
            for prompt in prompts:
                if cancel.is_set():
                    raise MergeStopped("Stopped.")
                self._texts[name] += sample(model, [prompt], stop=cancel, **settings)
                self.answers.value = _cards(self._texts, prompts, colours)
                done = sum(map(len, self._texts.values()))
                progress(Event("tensor", total, 0, tensors_done=done, seconds=time.perf_counter() - began))
        if cancel.is_set():
            raise MergeStopped("Stopped.")

    def _parent(self, plan: Plan, label: str) -> Any:
        """A parent's model, loaded once; a parent that is a merge itself is made in memory."""
        from nbmerge.engine.live import live
        from nbmerge.sampling import load

        ref = next(r for r in plan.checkpoints if plan.labels[r] == label)
        merge = plan.recipe.merge_named(ref)
        key = merge.fingerprint if merge else str(plan.checkpoints[ref].path)
        if key not in self._parents:
            self._parents[key] = live(merge) if merge else load(key)
        return self._parents[key]

    def _merged(self, plan: Plan, cancel: Any) -> Any:
        """The merge in memory: computed anew where nothing is there yet, else only what changed."""
        from nbmerge.engine.live import live

        if self._live is None:
            self._live = live(plan.recipe, cancel=cancel)
        else:
            self._live.update(plan.recipe, cancel=cancel)
        return self._live

    def _told(self, result: None) -> None:
        self._mark()


def suggested(plan: Plan) -> tuple[str, ...]:
    """Prompts that suit the models."""
    family = {path for _, path in bundled()}
    if family & {str(c.path) for c in plan.checkpoints.values()}:
        from nbmerge.demo import PROMPTS as own

        return tuple(own)
    return PROMPTS


def _cards(texts: dict[str, list], prompts: list[str], colours: dict[str, str]) -> str:
    """One column per model."""
    columns = []
    for name, samples in texts.items():
        kind = "nbm-card nbm-merged" if name == MERGE else "nbm-card"
        colour = colours.get(name, "var(--jp-brand-color1, #2196f3)")
        waiting = "<p class='nbm-waiting'>…</p>" if len(samples) < len(prompts) else ""
        body = "".join(map(_answer, samples)) + waiting
        columns.append(
            f"<section class='{kind}' style='border-top-color:{colour}'><h4>{html.escape(name)}</h4>{body}</section>"
        )
    return f"<div class='nbm-cards'>{''.join(columns)}</div>"


def _answer(sample: Any) -> str:
    stopped = "<i> (stopped)</i>" if sample.stopped else ""
    return f"<p><span>{html.escape(sample.prompt)}</span><b>{html.escape(sample.text)}</b>{stopped}</p>"
