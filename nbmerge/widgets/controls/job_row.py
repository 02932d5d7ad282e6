"""A start button, a stop button, a progress bar and a line of text for the Studio's one job."""

from __future__ import annotations

import html
from collections.abc import Callable
from typing import Any

import ipywidgets
from ipywidgets import Layout

from nbmerge.progress import Event
from nbmerge.sizes import human
from nbmerge.widgets.controls.elements import button, row, set_visible, text
from nbmerge.widgets.controls.guard import Guard
from nbmerge.widgets.controls.lifetime import OwningBox
from nbmerge.widgets.state.job import DONE, FAILED, RUNNING, STOPPED, STOPPING, Job


class JobRow(OwningBox):
    """Starts one kind of work and shows its progress.

    Parameters
    ----------
    job : Job
        Shared: while any work is running, nothing else can be started.
    name : str
        Of this kind of work; for others it only shows that they are running.
    label, hint : str
        Of the start button.
    prepare : callable
        ``() -> work``: reads the widgets and returns what `Job.start` takes. Called when the button is pressed.
    finished : callable
        ``(result)``: called in the worker thread, sets widget traits only.
    errors : Guard
    """

    def __init__(
        self, job: Job, name: str, label: str, hint: str,
        prepare: Callable[[], Callable[..., Any]], finished: Callable[[Any], Any], errors: Guard,
    ):  # fmt: skip
        super().__init__()
        self.add_class("nbm-job")
        self.job, self.name = job, name
        self._prepare, self._finished, self._errors = prepare, errors(finished), errors
        self.start = button(label, errors(self._start), hint=hint, style="primary")
        self.stop = button(
            "Stop", errors(lambda _: job.stop()), hint="Stop within one tensor or token; no incomplete output is left"
        )
        self.bar = ipywidgets.FloatProgress(value=0, min=0, max=1, layout=Layout(width="auto"))
        self.bar.add_class("nbm-grow")
        self.note = text(kind="quiet")
        self.stopped_note = "Stopped."
        self.children = [row(self.start, self.stop, self.bar, self.note)]
        self._ready = True
        self.watch(job, errors(lambda change: self._status()), "status")
        self.watch(job, errors(lambda change: self._progress(change["new"])), "event")
        self._status()

    def allow(self, ready: bool) -> None:
        """Whether there is something to start."""
        self._ready = ready
        self.start.disabled = not ready or self.job.running

    @property
    def mine(self) -> bool:
        """Whether the job's present or last work is of this kind."""
        return self.job.name == self.name

    def _start(self, _: Any) -> None:
        self._errors.clear()
        self.job.start(self.name, self._prepare())

    def _status(self) -> None:
        status = self.job.status
        self.start.disabled = self.job.running or not self._ready
        self.stop.disabled = not (self.mine and status == RUNNING)
        set_visible(self.stop, self.mine and self.job.running)
        set_visible(self.bar, self.mine and self.job.running)
        if not self.mine:
            self.note.value = f"Waiting for {html.escape(self.job.name)} to finish." if self.job.running else ""
            return
        if status == RUNNING:
            self.bar.value, self.note.value = 0.0, "Starting …"
        elif status == STOPPING:
            self.note.value = "Stopping …"
        elif status == STOPPED:
            self.note.value = self.stopped_note
        elif status == FAILED:
            self.note.value = ""
            self._errors.show(self.job.error)
        elif status == DONE:
            self.note.value = ""
            self._finished(self.job.result)

    def _progress(self, event: Event | None) -> None:
        if event is None or not self.mine or self.job.status != RUNNING:
            return
        done, total = (event.bytes_done, event.bytes) if event.bytes else (event.tensors_done, event.tensors)
        self.bar.value = done / total if total else 0.0
        self.note.value = describe_progress(event)


def describe_progress(event: Event) -> str:
    """Progress for people: how much of how much, and the time left."""
    if event.bytes:
        amount = f"{human(event.bytes_done)} of {human(event.bytes)}"
        amount = f"downloading {amount}" if event.kind == "fetching" else amount
    else:
        amount = f"{event.tensors_done} of {event.tensors}"
    if event.kind == "saving":
        return f"{amount}, flushing to disk"
    if event.resumed:
        amount = f"resumed ({event.resumed} tensors were finished): {amount}"
    left = event.seconds_left
    return amount if left is None else f"{amount}, about {format_seconds(left)} left"


def format_seconds(number: float) -> str:
    """A span of time, no more precise than it is known."""
    if number < 60:
        return f"{max(number, 0):.0f} s"
    if number < 3600:
        return f"{number / 60:.0f} min"
    return f"{number / 3600:.1f} h"
