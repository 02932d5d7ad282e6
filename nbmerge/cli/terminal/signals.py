"""Turns Ctrl-C into a request to stop."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from nbmerge.checkpoints.hub import stopped_by


@contextmanager
def stop_on_ctrl_c() -> Iterator[threading.Event]:
    """Turn Ctrl-C and SIGTERM into a request to stop; workers stop at their next block.

    A second Ctrl-C has its usual effect.
    """
    cancel = threading.Event()

    def request_stop(number: int, _: object) -> None:
        cancel.set()
        signal.signal(number, previous[signal.Signals(number)])

    previous = {number: signal.signal(number, request_stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        with stopped_by(cancel):  # also interrupts a stalled network
            yield cancel
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
