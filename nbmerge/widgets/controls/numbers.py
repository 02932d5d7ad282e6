"""Numbers as the browser gets them."""

from __future__ import annotations

import math


def plain_number(value: float | None, digits: int) -> float | None:
    """A number with so many digits that JSON has; None for one that is missing or not finite."""
    return float(f"{value:.{digits}g}") if value is not None and math.isfinite(value) else None
