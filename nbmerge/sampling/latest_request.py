"""Let a new request cancel the one before it, as when the next prompt is typed while a text is still being generated."""

from __future__ import annotations

import threading


class LatestRequest:
    """The latest of several requests; beginning another one cancels it.

    Examples
    --------
    >>> latest = LatestRequest()
    >>> cancel = latest.begin()  # in the thread that is about to sample; earlier requests end at their next token
    >>> samples = nbm.sample(model, prompts, cancel=cancel)
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._current = threading.Event()

    def begin(self) -> threading.Event:
        """Cancel the latest request and begin another; pass the event that is returned as `cancel`."""
        with self._lock:
            self._current.set()
            self._current = threading.Event()
            return self._current

    def cancel(self) -> None:
        """Cancel the latest request."""
        with self._lock:
            self._current.set()

    def is_latest(self, event: threading.Event) -> bool:
        """Whether no request was begun after this one, cancelled or not."""
        return event is self._current
