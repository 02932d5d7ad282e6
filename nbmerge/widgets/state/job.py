"""Long work in a thread of its own, with progress, and a way to stop it.

Callbacks of widgets run in the kernel's own thread, or in another one, depending on the version of ipykernel; in both
cases a callback that computes blocks all others. So work is started here and the callback returns at once.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Generator
from typing import Any

from traitlets import Any as AnyTrait
from traitlets import Enum, HasTraits, Unicode

from nbmerge.errors import MergeStopped, NbmergeError
from nbmerge.widgets.state.activities import Activities

IDLE, RUNNING, STOPPING, DONE, FAILED, STOPPED = "idle", "running", "stopping", "done", "failed", "stopped"


class BusyError(NbmergeError, RuntimeError):
    """Other work is still running."""


class Job(HasTraits):
    """Runs one function after another in a worker thread, never two at a time.

    Parameters
    ----------
    activities : Activities, optional
        Where the work is listed while it runs.

    Attributes
    ----------
    status : str
        "idle", "running", "stopping", then "done", "failed" or "stopped". Observers are called in the worker thread and
        may set widget traits, nothing else.
    name : str
        Of the present or last work.
    event : Event or None
        Latest progress, at most ten a second and always the last.
    result : object
        What the function returned, when done.
    error : Exception or None
        What it raised, when failed.
    """

    status = Enum((IDLE, RUNNING, STOPPING, DONE, FAILED, STOPPED), IDLE)
    name = Unicode()
    event = AnyTrait(None, allow_none=True)
    result = AnyTrait(None, allow_none=True)
    error = AnyTrait(None, allow_none=True)

    def __init__(self, activities: Activities | None = None) -> None:
        super().__init__()
        self._activities = activities if activities is not None else Activities()
        self.cancel = threading.Event()
        self._lock = threading.RLock()  # an observer of the end may start what comes next
        self._thread: threading.Thread | None = None

    @property
    def running(self) -> bool:
        """Whether work is running."""
        return self.status in (RUNNING, STOPPING)

    def start(self, name: str, work: Callable[..., Any]) -> None:
        """Start ``work(progress, cancel)`` and return at once.

        Parameters
        ----------
        name : str
            For people: "merge", "measure", "sample".
        work : callable
            `progress` takes `Event`s, `cancel` is a `threading.Event` to look at.

        Raises
        ------
        BusyError
            While other work is running.
        """
        with self._lock:
            if self.running:
                raise BusyError(f"'{self.name}' is still running. Wait for it or stop it.")
            self.cancel.clear()
            self.event = self.result = self.error = None
            self.name = name
            self.status = RUNNING
            self._thread = threading.Thread(target=self._run, args=(work,), name=f"nbmerge {name}", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Ask the work to stop, which it does within a tensor or a token."""
        with self._lock:
            if self.status == RUNNING:
                self.cancel.set()
                self.status = STOPPING

    def forget(self) -> None:
        """Free what the last work returned, raised and reported."""
        with self._lock:
            if not self.running:
                self.event = self.result = self.error = self._thread = None

    def wait(self, timeout: float | None = None) -> bool:
        """Block until the work has ended and its observers were notified; an interrupt stops it first.

        Returns
        -------
        bool
            False when `timeout` seconds were not enough.
        """
        end = None if timeout is None else time.monotonic() + timeout
        try:
            while (thread := self._alive()) and (end is None or time.monotonic() < end):
                thread.join(0.02)  # in slices, so that an interrupt is noticed
        except KeyboardInterrupt:
            self.stop()
            if (thread := self._alive()) is not None:
                thread.join()
            raise
        return self._alive() is None

    def __await__(self) -> Generator[Any, None, bool]:
        """``await job`` in a cell waits and leaves buttons alive."""

        async def ended() -> bool:
            while self._alive():
                await asyncio.sleep(0.02)
            return True

        return ended().__await__()

    def _alive(self) -> threading.Thread | None:
        thread = self._thread
        return thread if thread is not None and thread.is_alive() else None

    def _run(self, work: Callable[..., Any]) -> None:
        try:
            with self._activities.listed(self.name, self.stop) as activity:
                activity.observe(self._take_event, "event")
                self.result = work(progress=activity.report, cancel=self.cancel)
            end = DONE
        except MergeStopped:
            end = STOPPED
        except Exception as error:  # shown on screen by whoever observes `status`
            self.error = error
            end = FAILED
        with self._lock:
            self.status = end

    def _take_event(self, change: dict[str, Any]) -> None:
        self.event = change["new"]
