"""How finely numbers are moved, written and kept."""

from __future__ import annotations

import math


def step_of(span: tuple[float, float]) -> float:
    """One step of a slider over a range: 0.01 from 0 to 1, and as fine in proportion elsewhere."""
    return 10.0 ** math.floor(math.log10(max(span[1] - span[0], 1e-9) / 50))


def round_value(value: float) -> float:
    """Six digits: far below what bfloat16 can tell apart, and free of binary noise such as 0.6000000000000001."""
    return round(float(f"{value:.6g}"), 12)


def widen_range(span: tuple[float, float], values: list[float]) -> tuple[float, float]:
    """A range that also holds these values, by ten steps at a time."""
    unit = 10 * step_of(span)
    low = min(span[0], math.floor(min(values) / unit + 1e-9) * unit)
    high = max(span[1], math.ceil(max(values) / unit - 1e-9) * unit)
    return round_value(low), round_value(high)
