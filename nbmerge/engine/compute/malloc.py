"""Let the C library keep the memory that a block frees, because the next block allocates the same again.

By default glibc returns buffers of a mebibyte to the system at once, and the system clears and maps every page again for the
next block: a third of the CPU time of a TIES merge.
"""

from __future__ import annotations

import ctypes
import sys
from functools import cache

M_TRIM_THRESHOLD = -1
M_MMAP_THRESHOLD = -3
"""Parameters of `mallopt`, see its manual page."""
KEPT = 64 << 20
"""Free bytes that each arena keeps; there is one arena per worker."""
LARGE = 16 << 20
"""Allocations from this size on, whole tensors rather than blocks, are still returned to the system at once."""


@cache
def keep_buffers() -> bool:
    """Configure the C library, once per process; returns whether it supports this (glibc does)."""
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    return bool(mallopt(M_TRIM_THRESHOLD, KEPT) and mallopt(M_MMAP_THRESHOLD, LARGE))
