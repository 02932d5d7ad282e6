"""How many workers a merge has."""

from __future__ import annotations

import os


def default_threads() -> int:
    """As many workers as processors are allowed, up to eight: beyond that memory bandwidth is the limit."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(allowed, 8)
