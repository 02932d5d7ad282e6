"""Progress bars in notebook cells and terminals: tqdm bars that follow progress events.

By default a function draws a bar where it will be seen: in the main thread of a notebook's kernel, or of a program in a
terminal. Work that ends within half a second shows nothing.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import copy_context
from typing import TYPE_CHECKING, Any

from nbmerge.pace import Pace, format_seconds
from nbmerge.progress import Event, Listener
from nbmerge.quoting import quote
from nbmerge.sizes import human

if TYPE_CHECKING:
    from nbmerge.typing import ProgressLike

VARIABLE = "NBMERGE_PROGRESS"
"""Environment variable; 0 turns bars off."""
DELAY = 0.5
"""Seconds of work before a bar is drawn."""
LONGEST = 60
"""Characters of a file's name that are shown. Names of tensors are not: the bar would change its width with each."""
EVERY = 0.1
"""Seconds between two drawings."""

logger = logging.getLogger(__name__)


@contextmanager
def show_progress(
    progress: ProgressLike, words: str, last: str = "", delay: float = DELAY
) -> Iterator[Listener | None]:
    """Yield a listener for some work, or None where no progress is shown.

    Parameters
    ----------
    progress : callable, bool or None
        What the caller asked for: a listener is yielded as it is; True draws a bar, and None does so where it will be seen.
    words : str
        What is being done, such as "Merging".
    last : str
        What is done after the last event, such as "building the model".
    delay : float
        Seconds before a bar is drawn.
    """
    if callable(progress):
        yield progress
    elif progress or (progress is None and _is_watched()):
        bar = ProgressBar(words, last, delay)
        try:
            yield bar
        finally:
            bar.close()
    else:
        yield None


class ProgressBar:
    """A listener that draws a bar; it may be called from any thread, one call at a time.

    Parameters
    ----------
    words, last, delay
        As in `show_progress`.
    """

    def __init__(self, words: str, last: str = "", delay: float = DELAY):
        self._words, self._last, self._delay = words, last, delay
        self._began = time.monotonic()
        self._drawn = 0.0
        self._bar: Any = None
        self._handle: Any = None
        self._pace = Pace()
        self._phase = ("", 0)
        # A notebook finds by its context which cell an output belongs to, and events come from worker threads.
        self._context = copy_context()

    def __call__(self, event: Event) -> None:
        """Draw an event."""
        now = time.monotonic()
        self._pace.note(event, now)
        if event.kind in ("stopped", "failed") or now - self._began < self._delay or self._words == "":
            return
        changed = self._phase != _phase_of(event)
        if changed or event.kind in ("saving", "finished") or now - self._drawn >= EVERY:
            self._drawn = now
            try:
                self._context.run(self._draw, event)
            except Exception:  # work goes on without a bar
                logger.debug("the progress bar cannot be drawn", exc_info=True)
                self._words = ""

    def close(self) -> None:
        """Take the bar off the screen; of work that was stopped or failed, a notebook keeps in words how far it came."""
        bar, self._bar = self._bar, None
        words, self._words = self._words, ""
        if bar is not None:
            with suppress(Exception):
                bar.close()
                self._clear(bar, "" if bar.n >= bar.total else f"{words}: stopped at {bar.n / bar.total:.0%}.")

    def _draw(self, event: Event) -> None:
        if self._bar is None:
            self._bar = self._make()
        bar, phase = self._bar, _phase_of(event)
        state = self._state(event).replace("{", "{{").replace("}", "}}")
        bar.bar_format = f"{{desc}}{{percentage:3.0f}}%|{{bar}}| {state}"
        if self._phase != phase:
            self._phase = phase
            resumed = f" (resumed, {event.resumed} tensors kept)" if event.resumed else ""
            bar.set_description("Downloading" if event.kind == "fetching" else self._words + resumed, refresh=False)
            bar.reset(event.bytes or event.tensors or 1)
        bar.n = event.bytes_done if event.bytes else event.tensors_done
        bar.refresh()

    def _state(self, event: Event) -> str:
        """How much is done, how fast, and what is left."""
        amount = f"{event.tensors_done} of {event.tensors}"
        if event.bytes:
            amount = f"{human(event.bytes_done)} of {human(event.bytes)}"
        parts = [amount]
        if event.kind == "saving":
            parts.append("flushing to disk")
        elif event.kind == "finished":
            parts += [self._last] if self._last else []
        else:
            speed, left = self._pace.speed, self._pace.seconds_left
            parts += [f"{human(speed)}/s"] if speed and event.bytes else []
            parts += [f"about {format_seconds(left)} left"] if left is not None else []
            parts += [quote(event.tensor, LONGEST)] if event.kind == "fetching" and event.tensor else []
        return ", ".join(parts)

    def _make(self) -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # tqdm's, where ipywidgets are missing: it draws text instead
            from tqdm.auto import tqdm
        shape = "{desc}{percentage:3.0f}%|{bar}|"
        options: dict[str, Any] = {"desc": self._words, "bar_format": shape, "leave": False, "total": 1}
        notebook = getattr(sys.modules.get("tqdm.notebook"), "tqdm", None)
        if notebook is None or not issubclass(tqdm, notebook):
            return tqdm(**options, dynamic_ncols=True)
        from IPython.display import display

        bar = tqdm(**options, display=False)
        self._handle = display(bar.container, display_id=True)  # type: ignore[no-untyped-call]
        return bar

    def _clear(self, bar: Any, words: str) -> None:
        """Replace the bar in the notebook by words, or by nothing, and remove its widgets from the kernel."""
        if self._handle is None:
            return
        self._handle.update({"text/plain": words, "text/html": f"<small>{words}</small>" if words else ""}, raw=True)
        for widget in (*bar.container.children, bar.container):
            for part in (widget.layout, getattr(widget, "style", None), widget):
                if part is not None:
                    part.close()


def _phase_of(event: Event) -> tuple[str, int]:
    """Downloading or not, and how much there is to do."""
    return ("fetching" if event.kind == "fetching" else "", event.bytes or event.tensors)


def _is_watched() -> bool:
    """Whether a bar will be seen: in the main thread of a notebook's kernel or of a program in a terminal."""
    if os.environ.get(VARIABLE) == "0" or threading.current_thread() is not threading.main_thread():
        return False
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return hasattr(shell, "kernel") or in_terminal()


def in_terminal() -> bool:
    """Whether standard error is a terminal."""
    return sys.stderr is not None and sys.stderr.isatty()
