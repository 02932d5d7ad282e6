"""What a merge tells while it runs: one small protocol for widgets, terminals and tests.

A consumer is any callable that takes an `Event`. It is called from worker threads, one call at a time.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

Kind = Literal["fetching", "planned", "tensor", "finished", "stopped", "failed"]


@dataclass(frozen=True, slots=True)
class Event:
    """One step.

    Parameters
    ----------
    kind : str
        "planned" comes first, then one "tensor" for each, then one of "finished", "stopped", "failed". Before all of
        them, where something must be downloaded, come several of "fetching".
    tensor : str
        Name of the tensor just done; in "fetching" of the file that is coming.
    tensors_done, tensors : int
        In "fetching" files.
    bytes_done, bytes : int
        Bytes of the result; in "fetching" of the download.
    seconds : float
        Since the start.
    error : str
        What went wrong, in "failed".
    """

    kind: Kind
    tensors: int
    bytes: int
    tensor: str = ""
    tensors_done: int = 0
    bytes_done: int = 0
    seconds: float = 0.0
    error: str = ""

    @property
    def seconds_left(self) -> float | None:
        """Estimate from the speed so far; None before there is one."""
        if not self.bytes_done:
            return None
        return self.seconds * (self.bytes - self.bytes_done) / self.bytes_done

    def __str__(self) -> str:
        size = f"{self.bytes_done / 1e6:,.1f} of {self.bytes / 1e6:,.1f} MB"
        what = "files" if self.kind == "fetching" else "tensors"
        return f"{self.kind}: {self.tensors_done} of {self.tensors} {what}, {size}, {self.seconds:.1f} s"


Listener = Callable[[Event], None]


class Reporter:
    """Counts what is done and tells the listener; safe to call from several threads."""

    def __init__(self, listener: Listener | None, tensors: int, nbytes: int):
        self._listener = listener
        self._lock = threading.Lock()
        self._tensors, self._bytes = tensors, nbytes
        self._tensors_done = self._bytes_done = 0
        self._start = time.perf_counter()

    def tell(self, kind: Kind, tensor: str = "", nbytes: int = 0, error: str = "") -> None:
        """Report a step; `nbytes` is the size of the tensor just done."""
        with self._lock:
            self._tensors_done += kind == "tensor"
            self._bytes_done += nbytes
            if self._listener is None:
                return
            seconds = time.perf_counter() - self._start
            self._listener(
                Event(kind, self._tensors, self._bytes, tensor, self._tensors_done, self._bytes_done, seconds, error)
            )  # fmt: skip
