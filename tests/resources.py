"""What a process holds: descriptors with what they lead to, and threads."""

from __future__ import annotations

import gc
import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

PATIENCE = 10.0
"""Seconds for threads that have been asked to end."""


def held() -> Counter[str]:
    """Open descriptors by what they lead to, and threads by name."""
    found: Counter[str] = Counter()
    for descriptor in os.listdir("/proc/self/fd"):
        try:
            found[os.readlink(f"/proc/self/fd/{descriptor}").partition("[")[0]] += 1  # sockets are numbered
        except OSError:  # the one that lists them
            continue
    names = (t.name for t in threading.enumerate())
    return found + Counter(f"thread {n}" for n in names if "process_request" not in n)  # a test's own server


@contextmanager
def nothing_kept(sockets: int = 0) -> Iterator[None]:
    """Fail when more descriptors or threads are held afterwards than before, but for so many sockets of a pool."""
    gc.collect()
    before, began = held(), time.monotonic()
    yield
    while True:
        gc.collect()
        more = held() - before - Counter({"socket:": sockets})
        if not more or time.monotonic() - began > PATIENCE:
            break
        time.sleep(0.02)
    assert not more, f"kept: {dict(more)}"


def keeps_nothing(work: Callable[[], Any], sockets: int = 0) -> None:
    """Do something once, so that whatever is loaded and remembered once is there; then twice more, which must keep nothing."""
    work()
    with nothing_kept(sockets):
        work()
        work()
