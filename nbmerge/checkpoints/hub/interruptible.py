"""Waiting for a network that may stall: Ctrl-C and stop signals take effect at once, and every wait has a limit.

Requests run in daemon threads. The waiting thread checks for signals every few hundredths of a second.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, cast

from nbmerge.errors import CheckpointError, MergeStopped

if TYPE_CHECKING:
    from nbmerge.typing import StopSignal

LOOK_UP = 0.05
"""Seconds between two checks of the stop signal."""
STOPPED = "The download was stopped. Run again to resume."

P = ParamSpec("P")
T = TypeVar("T")
R = TypeVar("R")


_signal: ContextVar[StopSignal | None] = ContextVar("nbmerge_stop", default=None)


@contextmanager
def stopped_by(cancel: StopSignal | None) -> Iterator[None]:
    """Let this signal end all waiting for the network inside the context, at any depth."""
    token = _signal.set(cancel if cancel is not None else _signal.get())
    try:
        yield
    finally:
        _signal.reset(token)


def stopping(function: Callable[P, R]) -> Callable[P, R]:
    """Make the keyword ``cancel`` of a function also end its waiting for the network, for instance while it plans."""

    @wraps(function)
    def stoppable(*args: P.args, **kwargs: P.kwargs) -> R:
        with stopped_by(cast("StopSignal | None", kwargs.get("cancel"))):
            return function(*args, **kwargs)

    return stoppable


def raise_if_stopped() -> None:
    """Raise `MergeStopped` when the signal of `stopped_by` is set."""
    signal = _signal.get()
    if signal is not None and signal.is_set():
        raise MergeStopped(STOPPED)


def pause(seconds: float) -> None:
    """Wait, unless the stop signal is set."""
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        raise_if_stopped()
        time.sleep(min(LOOK_UP, left))


def wait_for(work: Callable[[], R], seconds: float, what: str) -> R:
    """The result of work that may hang, computed in a separate thread.

    Raises
    ------
    MergeStopped
        When the stop signal was set. The thread is left to end by itself.
    CheckpointError
        When it takes longer than `seconds`; `what` describes the work.
    """
    return map_all(lambda _: work(), [None], 1, seconds, what)[0]


def map_all(function: Callable[[T], R], items: Sequence[T], workers: int, seconds: float, what: str) -> list[R]:
    """``[function(item) for item in items]`` in several threads, which can be stopped like `wait_for`; the first error ends it."""
    results: dict[int, R] = {}
    errors: list[BaseException] = []
    todo, lock, over, moved = iter(range(len(items))), threading.Lock(), threading.Event(), threading.Event()
    signal = _signal.get()

    def go() -> None:
        with stopped_by(_Either(over, signal)):
            while not over.is_set():
                with lock:
                    i = next(todo, None)
                if i is None:
                    return
                try:
                    results[i] = function(items[i])
                except BaseException as error:
                    errors.append(error)
                    over.set()
                moved.set()

    threads = [
        threading.Thread(target=go, name=f"nbmerge-hub-{i}", daemon=True) for i in range(min(workers, len(items)))
    ]
    for thread in threads:
        thread.start()
    end = time.monotonic() + seconds
    try:
        while len(results) < len(items):
            raise_if_stopped()
            if errors:
                raise errors[0]
            if time.monotonic() > end:
                raise CheckpointError(
                    f"timed out after {seconds:,.0f} s while {what}. Check the network and try again."
                )
            moved.wait(LOOK_UP)
            moved.clear()
    finally:
        over.set()
    return [results[i] for i in range(len(items))]


class _Either:
    """A signal that is set when any of several is set."""

    def __init__(self, *signals: Any):
        self._signals = [s for s in signals if s is not None]

    def is_set(self) -> bool:
        return any(s.is_set() for s in self._signals)
