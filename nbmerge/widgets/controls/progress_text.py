"""Progress in words: how much of how much, and spans of time."""

from __future__ import annotations

from nbmerge.pace import format_seconds
from nbmerge.progress import Event
from nbmerge.sizes import human

__all__ = ["describe_progress", "format_seconds"]


def describe_progress(event: Event) -> str:
    """How much of how much; the time left is in the line of running work."""
    if not event.bytes:
        return f"{event.tensors_done} of {event.tensors}"
    amount = f"{human(event.bytes_done)} of {human(event.bytes)}"
    return f"downloading {amount}" if event.kind == "fetching" else amount
