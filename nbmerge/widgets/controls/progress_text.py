"""Progress in words: how much of how much, and spans of time."""

from __future__ import annotations

from nbmerge.progress import Event
from nbmerge.sizes import human


def describe_progress(event: Event) -> str:
    """How much of how much; the time left is in the line of running work."""
    if not event.bytes:
        return f"{event.tensors_done} of {event.tensors}"
    amount = f"{human(event.bytes_done)} of {human(event.bytes)}"
    return f"downloading {amount}" if event.kind == "fetching" else amount


def format_seconds(number: float) -> str:
    """A span of time, no more precise than it is known."""
    if number < 1:
        return f"{max(number, 0.1):.1f} s"
    if number < 90:
        return f"{number:.0f} s"
    if number < 3600:
        return f"{number / 60:.0f} min"
    return f"{number / 3600:.1f} h"
