"""Progress events of a merge, for widgets, terminals and tests.

A listener is any callable that takes an `Event`. It is called from worker threads, one call at a time.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Literal

from nbmerge.errors import MergeStopped
from nbmerge.sizes import human

Kind = Literal["fetching", "planned", "bytes", "tensor", "saving", "finished", "stopped", "failed"]

FREQUENT = ("fetching", "bytes", "tensor")
"""Kinds that are so frequent that a listener may skip some."""
ENDS = ("finished", "stopped", "failed")
"""Kinds that end the work; exactly one such event is sent, as the last."""
EVERY = 0.1
"""Seconds between two events of the kind "bytes"."""


@dataclass(frozen=True, slots=True)
class Event:
    """One step of the work.

    Parameters
    ----------
    kind : str
        "planned" is the first, followed by a "tensor" for each finished tensor, and by one of "finished", "stopped" and
        "failed" at the end. In between, "bytes" is sent while a large tensor is being written, and "saving" while all of
        them are flushed to disk. If there is something to download, several "fetching" are sent before all others. Work
        that cannot start sends "failed" only.
    tensor : str
        Name of the tensor that was just finished; in "fetching", of the file that is being downloaded.
    tensors_done, tensors : int
        Numbers of tensors; in "fetching", of files.
    bytes_done, bytes : int
        Bytes of the result; in "fetching", of the download.
    seconds : float
        Since the start.
    error : str
        The error message, in "failed".
    resumed : int
        Tensors that an earlier run finished; `tensors` does not include them.
    """

    kind: Kind
    tensors: int
    bytes: int
    tensor: str = ""
    tensors_done: int = 0
    bytes_done: int = 0
    seconds: float = 0.0
    error: str = ""
    resumed: int = 0

    @property
    def seconds_left(self) -> float | None:
        """Estimate from the speed so far; None before the first bytes."""
        if not self.bytes_done:
            return None
        return self.seconds * (self.bytes - self.bytes_done) / self.bytes_done

    def __str__(self) -> str:
        resumed = f", {self.resumed} resumed" if self.resumed else ""
        size = f"{human(self.bytes_done)} of {human(self.bytes)}"
        what = "files" if self.kind == "fetching" else "tensors"
        return f"{self.kind}: {self.tensors_done} of {self.tensors} {what}{resumed}, {size}, {self.seconds:.1f} s"


Listener = Callable[[Event], None]


class Reporter:
    """Counts what is done and sends events to the listener; safe to call from several threads."""

    def __init__(self, listener: Listener | None, tensors: int, nbytes: int):
        self._listener = listener
        self._lock = threading.Lock()
        self._tensors, self._bytes = tensors, nbytes
        self._tensors_done = self._bytes_done = 0
        self._start = self._told = time.perf_counter()
        self._has_ended = False

    def tell(self, kind: Kind, tensor: str = "", nbytes: int = 0, error: str = "") -> None:
        """Report a step; `nbytes` is the size of the tensor just done. After an end, nothing is reported any more."""
        with self._lock:
            if self._has_ended:  # a worker that was left behind after a stop comes to the end of its tensor
                return
            self._has_ended = kind in ENDS
            self._tensors_done += kind == "tensor"
            self._bytes_done += nbytes
            if self._listener is None:
                return
            self._told = time.perf_counter()
            seconds = self._told - self._start
            self._listener(
                Event(kind, self._tensors, self._bytes, tensor, self._tensors_done, self._bytes_done, seconds, error)
            )  # fmt: skip

    def add(self, nbytes: int) -> None:
        """Count bytes of an unfinished tensor; they are reported every `EVERY` seconds."""
        with self._lock:
            self._bytes_done += nbytes
            due = time.perf_counter() - self._told >= EVERY
        if due:
            self.tell("bytes")


class OverallProgress:
    """Combines the events of several steps: the end is reported once, after the last step.

    Use it as a context manager, and pass it to the steps as their listener.

    Parameters
    ----------
    listener : callable, optional
    """

    def __init__(self, listener: Listener | None):
        self._listener = listener
        self._last = Event("planned", 0, 0)
        self._since = time.perf_counter()
        self.resumed = 0
        """Tensors that an earlier run finished."""

    def __call__(self, event: Event) -> None:
        """Pass on an event of a step."""
        self._last, self._since = replace(event, resumed=self.resumed), time.perf_counter()
        if event.kind == "finished":
            self._tell("saving")
        elif event.kind not in ENDS and self._listener is not None:
            self._listener(self._last)

    def __enter__(self) -> OverallProgress:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: object) -> None:
        if error is None:
            self._tell("finished")
            return
        with suppress(Exception):  # the error of the work is raised, not one of the listener
            self._tell("stopped" if isinstance(error, (MergeStopped, KeyboardInterrupt)) else "failed", str(error))

    def _tell(self, kind: Kind, error: str = "") -> None:
        if self._listener is not None:
            seconds = self._last.seconds + time.perf_counter() - self._since
            self._listener(replace(self._last, kind=kind, tensor="", seconds=seconds, error=error))
