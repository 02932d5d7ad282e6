"""A progress bar in the terminal."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from nbmerge.progress import Event, Listener
from nbmerge.progress_bars import ProgressBar, in_terminal


@contextmanager
def progress_bar(description: str, quiet: bool = False) -> Iterator[Listener]:
    """Yield a listener that draws a bar of bytes and remaining time, if standard error is a terminal."""
    if quiet or not in_terminal():
        yield _ignore
        return
    bar = ProgressBar(description, delay=0)
    try:
        yield bar
    finally:
        bar.close()


def _ignore(event: Event) -> None:
    """Draw nothing."""
