"""Hide the progress bars of transformers: nbmerge has its own, and two would clutter logs and widgets."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from nbmerge.imports import import_lock


@contextmanager
def hide_progress_bars() -> Iterator[None]:
    """Disable the progress bars of transformers, and restore them afterwards."""
    with import_lock():
        from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()
