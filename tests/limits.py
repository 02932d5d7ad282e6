"""Limits on what something costs."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def processor_seconds(most: float) -> Iterator[None]:
    """Fail where a block takes more processor time; what other programs take meanwhile is not its fault."""
    began = time.process_time()
    yield
    spent = time.process_time() - began
    assert spent < most, f"took {spent:.2f} s of the processor, {most} at most"
