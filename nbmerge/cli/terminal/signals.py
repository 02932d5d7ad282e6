"""Ctrl-C as a request to stop."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from nbmerge.checkpoints.hub import stopped_by


@contextmanager
def stop_on_ctrl_c() -> Iterator[threading.Event]:
    """Turn Ctrl-C (and a plain kill) into a request to stop, which workers answer at their next block.

    A second Ctrl-C does what it always does.
    """
    cancel = threading.Event()

    def ask(number: int, _: object) -> None:
        cancel.set()
        signal.signal(number, kept[number])

    kept = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        with stopped_by(cancel):  # also while a network stands still
            yield cancel
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)
