"""Formats columns of numbers, with the same number of decimals in every row."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

DECIMALS = 4
"""Decimals that are printed, where that many are needed."""
MAX_DECIMALS = 7
"""Decimals where fewer would print a small number as 0, or a number close to 1 as 1."""


def format_numbers(values: Iterable[Any]) -> tuple[list[str], bool]:
    """Format the cells of a column, and return whether they are numbers. Missing values (None, NaN, NA) become empty."""
    cells = [None if _is_missing(v) else v for v in values]
    present = [v for v in cells if v is not None]
    if not present or not all(_is_number(v) for v in present):
        return ["" if v is None else _format_text(v) for v in cells], False
    if all(float(v).is_integer() for v in present):
        return ["" if v is None else f"{int(v):,}" for v in cells], True
    floats = [float(v) for v in present]
    if any(abs(v) >= 1e9 or 0 < abs(v) < 10**-MAX_DECIMALS for v in floats):
        return ["" if v is None else f"{float(v):.{DECIMALS}g}" for v in cells], True
    decimals = _choose_decimals(floats)
    return ["" if v is None else f"{float(v):.{decimals}f}" for v in cells], True


def _choose_decimals(values: list[float]) -> int:
    """The fewest that print all values exactly, or four; more where a value would look like 0 or 1 and is not."""
    for decimals in range(1, MAX_DECIMALS + 1):
        shown = [round(v, decimals) for v in values]
        exact = shown == values
        misleading = any(s in (0, 1, -1) and s != v for s, v in zip(shown, values, strict=True))
        if exact or (decimals >= DECIMALS and not misleading):
            return decimals
    return DECIMALS


def _is_missing(value: Any) -> bool:
    return value is None or type(value).__name__ == "NAType" or (isinstance(value, float) and math.isnan(value))


def _is_number(value: Any) -> bool:
    return hasattr(value, "__float__") and not isinstance(value, str) and type(value).__name__ not in ("bool", "bool_")


def _format_text(value: Any) -> str:
    """Format a value as in a recipe, in one line and without control characters."""
    text = str(value).lower() if type(value).__name__ in ("bool", "bool_") else str(value)
    return "".join(c if c.isprintable() else "?" for c in " ".join(text.split()))
