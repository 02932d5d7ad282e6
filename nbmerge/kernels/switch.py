"""Whether compiled loops are used: not where numba is missing or they are switched off, else if there is enough to do.

Importing numba takes about half a second, and compiling for the first time one or two. Results are the same with and without loops,
so they are loaded by the first work that is worth it, and everything after that in the same process uses them.
"""

from __future__ import annotations

import os
import warnings
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import Any

VARIABLE = "NBMERGE_KERNELS"
"""Environment variable: 0 never uses loops, 1 always where numba is installed."""
WORTHWHILE = 2.0
"""Processor seconds that loops must save for numba to be imported."""


class _Switch:
    """The loops once they are loaded, what they would have saved until then, and whether numba turned out not to work."""

    loops: ModuleType | None = None
    missed_seconds = 0.0
    is_broken = False


def find_loops() -> Any:
    """The module `nbmerge.kernels.fusion` if it is loaded and not switched off, else None."""
    return None if os.environ.get(VARIABLE) == "0" else _Switch.loops


def is_expected(seconds: float) -> bool:
    """Whether `request` gives loops, or there are some already.

    Parameters
    ----------
    seconds : float
        Processor time that loops are expected to save.
    """
    chosen = os.environ.get(VARIABLE)
    if _Switch.is_broken or chosen == "0":
        return False
    is_worth_it = chosen == "1" or _Switch.missed_seconds + seconds >= WORTHWHILE
    return _Switch.loops is not None or (is_worth_it and find_spec("numba") is not None)


def request(seconds: float) -> None:
    """Load the loops if they save enough, together with what they would have saved in earlier work of this process.

    Parameters
    ----------
    seconds : float
        Processor time that they are expected to save.
    """
    if _Switch.loops is not None:
        return
    if not is_expected(seconds):
        _Switch.missed_seconds += seconds
        return
    try:
        _Switch.loops = import_module("nbmerge.kernels.fusion")
    except Exception as error:  # an installation of numba that does not work must not make merges fail
        _Switch.is_broken = True
        what = f"Merging without compiled loops, which is slower: numba cannot be used here ({error})."
        warnings.warn(f"{what} Update it (pip install -U 'nbmerge[fast]') or set {VARIABLE}=0.", stacklevel=2)
