"""Background work without a queue: the newest request wins, older ones are dropped."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any


class LatestOnly:
    """Runs the most recently submitted function in one thread.

    Parameters
    ----------
    on_error : callable
        Takes an exception that a function raised.
    """

    def __init__(self, on_error: Callable[[BaseException], Any]):
        self._on_error = on_error
        self._condition = threading.Condition()
        self._next: Callable[[], Any] | None = None
        self._working = self._closed = False

    def submit(self, work: Callable[[], Any]) -> None:
        """Run this as soon as what is running has ended, unless something newer comes first."""
        with self._condition:
            if self._closed:
                return
            self._next = work
            if not self._working:
                self._working = True
                threading.Thread(target=self._run, name="nbmerge pictures", daemon=True).start()

    def close(self) -> None:
        """Drop what is waiting, and ignore what is submitted later."""
        with self._condition:
            self._next, self._closed = None, True

    def wait(self, timeout: float | None = None) -> bool:
        """Block until nothing is left to do."""
        with self._condition:
            return self._condition.wait_for(lambda: not self._working, timeout)

    def _run(self) -> None:
        while True:
            with self._condition:
                work, self._next = self._next, None
                if work is None:
                    self._working = False
                    self._condition.notify_all()
                    return
            try:
                work()
            except Exception as error:  # shown on screen by the panel that submitted it
                self._on_error(error)
