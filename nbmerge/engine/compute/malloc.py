"""Let the C library keep what a block's work frees, because the next block asks for the same again.

By default glibc hands buffers of a mebibyte back to the system at once, and every page of them is cleared and mapped anew
for the next block: a third of the processor time of a TIES merge.
"""

from __future__ import annotations

import ctypes
import sys
from functools import cache

M_TRIM_THRESHOLD = -1
M_MMAP_THRESHOLD = -3
"""Numbers of `mallopt`, see its manual page."""
KEPT = 64 << 20
"""Free bytes that may stay with an arena; there is one for each worker."""
LARGE = 16 << 20
"""Allocations from this size on, whole tensors rather than blocks, still go back to the system at once."""


@cache
def keep_buffers() -> bool:
    """Ask for it, once in a process; says whether the C library understood (glibc does)."""
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    return bool(mallopt(M_TRIM_THRESHOLD, KEPT) and mallopt(M_MMAP_THRESHOLD, LARGE))
