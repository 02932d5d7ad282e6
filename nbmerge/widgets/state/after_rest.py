"""Work that is done when changes pause, in a thread that lives as long as there is something to do."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any


class AfterRest:
    """Calls a function some time after the last of several changes.

    Parameters
    ----------
    work : callable
        Called in a thread, never twice at once.
    rest : float
        Seconds without a change after which it is called.
    longest : float, optional
        Seconds after the first change after which it is called although changes go on.
    name : str
        Of the thread.
    """

    def __init__(self, work: Callable[[], Any], rest: float, longest: float = 10.0, name: str = "nbmerge keep"):
        self._work, self._rest, self._longest, self._name = work, rest, longest, name
        self._condition = threading.Condition()
        self._working = threading.Lock()
        self._due: float | None = None
        self._at_latest = 0.0
        self._running = self._closed = False

    def note_change(self, *_: Any) -> None:
        """Call the function soon."""
        now = time.monotonic()
        with self._condition:
            if self._closed:
                return
            if self._due is None:
                self._at_latest = now + self._longest
            self._due = min(now + self._rest, self._at_latest)
            if not self._running:
                self._running = True
                threading.Thread(target=self._run, name=self._name, daemon=True).start()

    def work_now(self) -> None:
        """Call the function in this thread, after a call that is under way."""
        with self._working:
            self._work()

    def close(self) -> bool:
        """Call nothing any more. Returns whether there was something left to do."""
        with self._condition:
            waiting, self._due, self._closed = self._due is not None, None, True
            self._condition.notify_all()
            return waiting

    def _run(self) -> None:
        while self._wait():
            self.work_now()

    def _wait(self) -> bool:
        """Until the work is due; False when there is none."""
        with self._condition:
            while self._due is not None and (left := self._due - time.monotonic()) > 0:
                self._condition.wait(left)
            is_due, self._due = self._due is not None, None
            self._running = is_due
            return is_due
