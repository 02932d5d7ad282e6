"""The line of running work: merging, measuring, sampling and scoring, each with its progress and a way to stop it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ipywidgets

from nbmerge.engine.cost import used_memory
from nbmerge.progress import Event
from nbmerge.sizes import human
from nbmerge.widgets.controls.bench import BenchView
from nbmerge.widgets.controls.progress_text import format_seconds
from nbmerge.widgets.panels.panel import Panel
from nbmerge.widgets.state.activities import Activity
from nbmerge.widgets.state.job import FAILED
from nbmerge.widgets.state.merging import NAME as MERGE

TITLES = {
    MERGE: "Merging", "measure": "Measuring", "sample": "Sampling", "score": "Computing scores",
    "estimate": "Estimating distances", "figure": "Drawing the figure", "forecast": "Estimating the time",
    "look up models": "Looking up models", "ablate": "Replacing parts", "sensitivity": "Computing derivatives",
    "gather": "Gathering statistics of texts", "search": "Searching", "structure": "Reading the models",
    "sweep": "Scoring the path", "compare tokens": "Comparing tokens",
}  # fmt: skip


class JobLine(Panel):
    """Everything of a state that is running; after a merge was stopped, what it left."""

    title = "Jobs"

    def _build(self) -> list[ipywidgets.Widget]:
        actions: dict[str, Callable[..., Any]] = {
            "stop": self._stop, "resume": self._resume, "discard": self.state.merging.discard,
            "dismiss": self._dismiss,
        }  # fmt: skip
        self.view = BenchView("jobs", actions, self.errors)
        self._failed = ""
        self._watched: dict[int, Activity] = {}
        self._follow = self.errors(lambda change: self._refresh())
        self.watch(self.state.activities, self.errors(lambda change: self._watch_all()), "running")
        self.watch(self.state.merging, self._follow, "revision")
        self.watch(self.state.job, self.errors(self._note_end), "status")
        return [self.view]

    # --- screen to state ---

    def _stop(self, id: int) -> None:
        for activity in self.state.activities.running:
            if activity.number == id:
                activity.stop()

    def _resume(self) -> None:
        kept, plan = self.state.merging.kept, self.state.plan
        if kept is not None and plan is not None:
            self.state.merging.set_out(str(kept.out))
            self.state.merging.start(plan)

    def _dismiss(self) -> None:
        self._failed = ""
        self.state.merging.dismiss()

    # --- state to screen ---

    def _watch_all(self) -> None:
        for activity in self.state.activities.running:
            if activity.number not in self._watched:
                self._watched[activity.number] = activity
                activity.observe(self._follow, ("event", "note", "stopping"))
        running = {activity.number for activity in self.state.activities.running}
        for number in self._watched.keys() - running:
            self._watched.pop(number).unobserve_all()
        self._refresh()

    def _note_end(self, change: Any) -> None:
        job = self.state.job
        if job.running:
            self._failed = ""
        elif job.status == FAILED and job.name == MERGE:
            self._failed = f"{TITLES.get(job.name, job.name)} failed: {job.error}"
        self._refresh()

    def _refresh(self) -> None:
        running = [_describe(activity) for activity in self.state.activities.running]
        self.view.draw({"running": running, "ended": None if self.state.merging.is_running else self._describe_end()})

    def _describe_end(self) -> dict[str, Any] | None:
        """How the last merge ended, and what can be done now."""
        merging = self.state.merging
        if self._failed:
            return {"kind": "failed", "text": self._failed, "actions": []}
        if merging.kept is not None:
            size = human(merging.kept.bytes)
            if not merging.kept.bytes:
                return {"kind": "stopped", "text": "The merge was stopped before anything was written.", "actions": []}
            actions = [{"name": "resume", "label": "Resume"}, {"name": "discard", "label": f"Discard {size}"}]
            text = f"The merge was stopped. {size} of finished tensors are kept beside {merging.kept.out}."
            return {"kind": "stopped", "text": text, "actions": actions}
        if merging.result is not None:
            result = merging.result
            size = human(result.plan.bytes_written)
            text = f"Written: {result.path} ({size}, {format_seconds(result.seconds)})"
            return {"kind": "done", "text": text, "actions": []}
        return None


def _describe(activity: Activity) -> dict[str, Any]:
    title = TITLES.get(activity.name, activity.name.capitalize())
    return {
        "id": activity.number, "title": title, "share": activity.pace.share, "text": describe_progress(activity),
        "stopping": activity.stopping,
    }  # fmt: skip


def describe_progress(activity: Activity) -> str:
    """How far work is, how fast, how long it will take, and the memory of this process."""
    if activity.stopping:
        return "stopping"
    event, pace = activity.event, activity.pace
    parts = [activity.note] if activity.note else []
    if event is not None:
        parts += _describe_event(event)
        if pace.share is not None:
            parts.insert(0, f"{pace.share:.0%}")
        if pace.speed is not None and event.bytes:
            parts.append(f"{human(pace.speed)}/s")
        if pace.seconds_left is not None:
            parts.append(f"{format_seconds(pace.seconds_left)} left")
        if (memory := used_memory()) is not None:
            parts.append(f"{human(memory)} of memory")
    return " · ".join(parts)


def _describe_event(event: Event) -> list[str]:
    if event.kind == "saving":
        return ["flushing to disk"]
    if event.kind == "fetching":
        return [f"downloading {human(event.bytes_done)} of {human(event.bytes)}"]
    resumed = [f"{event.resumed} tensors were finished before"] if event.resumed else []
    count = f"{event.tensors_done} of {event.tensors} tensors" if not event.bytes else ""
    return [*resumed, *([count] if count else [])]
