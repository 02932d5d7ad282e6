"""The number of workers of a merge, and the signal that stops them."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

from nbmerge.arguments import parse_count_argument

if TYPE_CHECKING:
    from nbmerge.typing import StopSignal


def default_threads() -> int:
    """One worker per available processor, up to eight: beyond that, memory bandwidth is the limit."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(allowed, 8)


def parse_threads(threads: int | None) -> int:
    """Check a number of workers; None means the default.

    Raises
    ------
    ArgumentError
        When it is not a positive integer.
    """
    return parse_count_argument("threads", threads, default_threads())


class Stop:
    """The caller's stop signal or our own, whichever is set first.

    Parameters
    ----------
    outer : StopSignal, optional
        The caller's.
    """

    def __init__(self, outer: StopSignal | None = None):
        self._outer, self._own = outer, threading.Event()

    def set(self) -> None:
        """Stop."""
        self._own.set()

    def is_set(self) -> bool:
        """Whether to stop."""
        return self._own.is_set() or (self._outer is not None and self._outer.is_set())
