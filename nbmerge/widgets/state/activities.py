"""All work of a Studio that is running: merging, measuring, sampling, scoring. Nothing computes without being listed here."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any

from traitlets import Any as AnyTrait
from traitlets import Bool, HasTraits, Tuple, Unicode

from nbmerge.pace import Pace
from nbmerge.progress import FREQUENT, Event

NOTIFY_EVERY = 0.1
"""Seconds between two changes of `Activity.event`: what a person can follow and a browser can draw."""


_numbers = count(1)


class Activity(HasTraits):
    """One piece of work, while it is running.

    Attributes
    ----------
    number : int
        Unique in this process.
    name : str
        "merge", "measure", "sample", "score".
    event : Event or None
        Latest progress, at most ten a second and always the last.
    note : str
        What it is doing, for work without events.
    stopping : bool
        Whether it was asked to stop.
    pace : Pace
        Its speed, and the time that is left.
    """

    name = Unicode()
    event = AnyTrait(None, allow_none=True)
    note = Unicode()
    stopping = Bool(False)

    def __init__(self, name: str, stop: Callable[[], Any]):
        super().__init__(name=name)
        self.number = next(_numbers)
        self.pace = Pace()
        self._stop = stop
        self._notified_at = 0.0

    def stop(self) -> None:
        """Ask it to stop."""
        self.stopping = True
        self._stop()

    def begin(self, note: str) -> None:
        """Note what it does next; the progress of what it did before is forgotten."""
        self.pace, self.event = Pace(), None
        self.note = note

    def report(self, event: Event) -> None:
        """Note progress; a listener of the engine's."""
        now = time.monotonic()
        self.pace.note(event, now)
        if event.kind not in FREQUENT or event.tensors_done == event.tensors or now - self._notified_at >= NOTIFY_EVERY:
            self._notified_at = now
            self.event = event


class Activities(HasTraits):
    """The work that is running, the oldest first.

    Attributes
    ----------
    running : tuple of Activity
        Observers are called in the thread that works.
    """

    running = Tuple()

    def __init__(self) -> None:
        super().__init__()
        self._lock = threading.RLock()
        self._threads = threading.local()

    @property
    def current(self) -> Activity | None:
        """The work that the calling thread does."""
        return getattr(self._threads, "activity", None)

    @contextmanager
    def listed(self, name: str, stop: Callable[[], Any]) -> Iterator[Activity]:
        """List work for as long as it runs.

        Parameters
        ----------
        name : str
        stop : callable
            Asks it to stop.
        """
        activity = Activity(name, stop)
        with self._lock:
            self.running = (*self.running, activity)
        self._threads.activity = activity
        try:
            yield activity
        finally:
            self._threads.activity = None
            with self._lock:
                self.running = tuple(a for a in self.running if a is not activity)

    def stop(self) -> None:
        """Ask all of it to stop."""
        for activity in self.running:
            activity.stop()
