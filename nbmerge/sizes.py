"""Sizes as people write them: ``5GB``, ``2000MiB``, ``500000000``."""

from __future__ import annotations

import re
from fractions import Fraction

from nbmerge.errors import ArgumentError

UNITS = {"B": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}
"""Bytes in each supported unit."""

_UNITS = {name.lower(): size for name, size in UNITS.items()}


def parse_size(text: str | int) -> int:
    """Read a size in bytes.

    Parameters
    ----------
    text : str or int
        A number, and a unit of `UNITS` in any case; bytes without one.

    Raises
    ------
    ArgumentError
        For anything else, and for sizes below one byte.
    """
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([a-z]*)\s*", str(text), re.IGNORECASE | re.ASCII)
    unit = _UNITS.get(match[2].lower() or "b") if match else None
    size = int(Fraction(match[1]) * unit) if match and unit else 0
    if isinstance(text, bool) or size < 1:
        units = ", ".join(list(UNITS)[1:])
        raise ArgumentError(
            f"{text!r} is not a size. Write a number of bytes, or a number with one of {units}: 5GB, 2000MiB."
        )
    return size


def human(size: float) -> str:
    """A size in bytes with the unit that leaves one to three digits before the point: ``2.2 GB``."""
    for unit in ("B", "kB", "MB"):
        if size < 999.5 * UNITS[unit]:
            return f"{size / UNITS[unit]:.3g} {unit}"
    return f"{size / UNITS['GB']:,.1f} GB"


def count_in_words(count: int) -> str:
    """A number of parameters: ``8.03 B``, ``124 M``."""
    for unit, size in (("B", 1e9), ("M", 1e6), ("k", 1e3)):
        if count >= size:
            return f"{count / size:.3g} {unit}"
    return str(count)
