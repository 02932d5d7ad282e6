"""Errors of callbacks, shown on screen.

A notebook shows nothing when a widget's callback fails: the error goes to a log that is usually closed. So every
callback passes through a `Guard`, which shows the error in the panel that was used.
"""

from __future__ import annotations

import html
import traceback
from collections.abc import Callable
from functools import wraps
from typing import Any

import ipywidgets

from nbmerge.errors import NbmergeError


class Guard(ipywidgets.HTML):
    """A place on screen for errors, and the wrapper that sends them there."""

    def __init__(self) -> None:
        super().__init__()
        self.add_class("nbm-errors")
        self._source: Any = None
        self._closed = False

    def __call__(self, callback: Callable[..., Any]) -> Callable[..., Any]:
        """Wrap a callback: what it raises is shown until it next succeeds."""

        @wraps(callback)
        def guarded(*args: Any, **kwargs: Any) -> Any:
            if self._closed:  # a thread that was still running when the panel was closed
                return None
            try:
                result = callback(*args, **kwargs)
            except Exception as error:
                self.show(error, callback)
                return None
            if self._source == callback:
                self.clear()
            return result

        return guarded

    def show(self, error: BaseException | str, source: Any = None) -> None:
        """Show an error: one of nbmerge as its message, any other with its traceback folded."""
        self._source = source
        self.value = render_error(error)

    def clear(self) -> None:
        """Hide the error."""
        self._source = None
        self.value = ""

    def close(self) -> None:
        """Close it; wrapped callbacks do nothing from here on."""
        self._closed = True
        super().close()


def render_error(error: BaseException | str) -> str:
    """An error as HTML."""
    if isinstance(error, str | NbmergeError):
        return f"<div class='nbm-error' role='alert'>{html.escape(str(error)).replace(chr(10), '<br>')}</div>"
    name = html.escape(f"{type(error).__name__}: {error}")
    trace = html.escape("".join(traceback.format_exception(type(error), error, error.__traceback__)))
    return (
        f"<div class='nbm-error' role='alert'>Unexpected error. {name}"
        f"<details><summary>Details for a bug report</summary><pre>{trace}</pre></details></div>"
    )
