"""Work that follows a slider: it starts when the slider rests, stops when it moves on, and the newest request wins."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any, TypeAlias

from traitlets import Bool, HasTraits

from nbmerge.errors import MergeStopped
from nbmerge.widgets.state.activities import Activities, Activity

REST = 0.15
"""Seconds without a move after which a slider rests. The first move after a rest is followed at once."""

Work: TypeAlias = Callable[[threading.Event], Any]
"""Takes the event that stops it."""


class DebouncedRunner(HasTraits):
    """Runs the newest request in a thread of its own; older ones are stopped or never begun.

    Parameters
    ----------
    on_error : callable
        Takes an exception that work raised.
    name : str
        Of the work, for people: "sample", "score".
    activities : Activities, optional
        Where the work is listed while it runs.

    Attributes
    ----------
    busy : bool
        Whether work is running or waiting. Observers are called in the worker thread.
    """

    busy = Bool(False)

    def __init__(
        self, on_error: Callable[[BaseException], Any], name: str = "work", activities: Activities | None = None
    ):
        super().__init__()
        self._name = name
        self._activities = activities if activities is not None else Activities()
        self.activity: Activity | None = None
        """What is running, to report its progress to."""
        self._on_error = on_error
        self._condition = threading.Condition()
        self._next: tuple[float, Work] | None = None
        self._cancel = threading.Event()
        self._moved_at = float("-inf")
        self._closed = False

    def submit(self, work: Work) -> None:
        """Stop what is running, then run ``work(cancel)``."""
        self._submit(work, time.monotonic())

    def submit_debounced(self, work: Work) -> None:
        """The same for a slider's move: at once when it is the first, else when no other move has come for a while."""
        now = time.monotonic()
        moving, self._moved_at = now - self._moved_at < REST, now
        self._submit(work, now + REST if moving else now)

    def stop(self) -> None:
        """Stop what is running, and drop what is waiting."""
        with self._condition:
            self._next = None
            self._cancel.set()
            self._condition.notify_all()

    def close(self) -> None:
        """Stop for good: what is submitted later is ignored."""
        self._closed = True
        self.stop()

    def wait(self, timeout: float | None = None) -> bool:
        """Block until nothing is left to do."""
        with self._condition:
            return self._condition.wait_for(lambda: not self.busy, timeout)

    def _submit(self, work: Work, when: float) -> None:
        with self._condition:
            if self._closed:
                return
            self._next = when, work
            self._cancel.set()
            self._condition.notify_all()
            if not self.busy:
                self.busy = True
                threading.Thread(target=self._run, name="nbmerge follow", daemon=True).start()

    def _take(self) -> tuple[Work, threading.Event] | None:
        """The newest work, when its time has come; None when there is none."""
        with self._condition:
            while self._next is not None:
                when, work = self._next
                left = when - time.monotonic()
                if left <= 0:
                    self._next, self._cancel = None, threading.Event()
                    return work, self._cancel
                self._condition.wait(left)
            self.busy = False
            self._condition.notify_all()
            return None

    def _run(self) -> None:
        while self._run_next():
            pass

    def _run_next(self) -> bool:
        """Run the newest work; False when there is none. Nothing holds the work, and the models it uses, once this returns."""
        taken = self._take()
        if taken is None:
            return False
        work, cancel = taken
        try:
            with self._activities.listed(self._name, self.stop) as self.activity:
                work(cancel)
        except MergeStopped:
            pass
        except Exception as error:  # shown on screen by the panel that submitted it
            self._on_error(error)
        return True
