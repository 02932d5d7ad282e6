"""Refuse work that does not fit into memory, before any is allocated."""

from __future__ import annotations

from nbmerge.engine.cost.available_memory import available_memory
from nbmerge.engine.cost.live_forecast import RESERVE
from nbmerge.errors import TooLargeError
from nbmerge.sizes import human


def require_memory(needed: int, what: str, advice: str, free: int | None = None) -> None:
    """Refuse work for which the free memory does not suffice; do nothing where the system does not report it.

    Parameters
    ----------
    needed : int
        Bytes.
    what : str
        The work: "<what> needs ... of memory".
    advice : str
        A sentence that says what to do instead.
    free : int, optional
        Bytes that are free; default those of this machine.

    Raises
    ------
    TooLargeError
    """
    free = available_memory() if free is None else free
    if free is not None and needed > free * (1 - RESERVE):
        raise TooLargeError(f"{what} needs {human(needed)} of memory; {human(free)} are free. {advice}")


def find_spare_memory(needed: int) -> int:
    """Bytes that are free besides those that some work needs; 0 where the system does not report it."""
    free = available_memory()
    return 0 if free is None else max(0, int(free * (1 - RESERVE)) - needed)
