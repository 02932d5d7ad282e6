"""Spans of time in words."""

from __future__ import annotations


def format_seconds(number: float) -> str:
    """A span of time, no more precise than it is known."""
    if number < 10:
        return f"{max(number, 0.1):.1f} s" if number < 1 else f"{number:.0f} s"
    if number < 90:
        return f"{number:.0f} s"
    if number < 3600:
        return f"{number / 60:.0f} min"
    return f"{number / 3600:.1f} h"
