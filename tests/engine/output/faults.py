"""System calls that go wrong at a chosen time, and processes that are killed at a chosen instant."""

from __future__ import annotations

import builtins
import contextlib
import io
import os
import signal
import sys
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PLACES: dict[str, tuple[tuple[Any, str], ...]] = {
    "open": ((os, "open"),),
    "open text": ((io, "open"), (builtins, "open")),
    "preadv": ((os, "preadv"),),
    "pwrite": ((os, "pwrite"),),
    "fallocate": ((os, "posix_fallocate"),),
    "fsync": ((os, "fsync"),),
    "rename": ((os, "rename"), (os, "replace")),
    "mkdir": ((os, "mkdir"),),
    "unlink": ((os, "unlink"),),
    "scandir": ((os, "scandir"), (os, "listdir")),
    "stat": ((os, "stat"),),
}  # fmt: skip
"""Where each call is found; a call under several names counts as one."""


class Calls:
    """Counts one kind of system call, and lets one of them go wrong.

    Parameters
    ----------
    call : str
        A key of `PLACES`.
    nth : int or None
        Which of them goes wrong, from 0; None for none.
    act : callable, optional
        ``(call, *arguments)``: what happens instead.
    concerns : callable, optional
        Whether a call counts, by its arguments.
    """

    def __init__(
        self,
        call: str,
        nth: int | None = None,
        act: Callable[..., Any] | None = None,
        concerns: Callable[..., bool] = lambda *arguments: True,
    ):
        self.call, self.nth, self.act, self.concerns = call, nth, act, concerns
        self.count = 0

    def __enter__(self) -> Calls:
        self._kept = [(place, name, getattr(place, name)) for place, name in PLACES[self.call] if hasattr(place, name)]
        for place, name, real in self._kept:
            setattr(place, name, self._wrapped(real))
        return self

    def __exit__(self, *exc: object) -> None:
        for place, name, real in self._kept:
            setattr(place, name, real)

    def _wrapped(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **more: Any) -> Any:
            if not self.concerns(*arguments):
                return real(*arguments, **more)
            self.count += 1
            if self.count - 1 == self.nth:
                return self.act(real, *arguments, **more)
            return real(*arguments, **more)

        return call


def failing(number: int) -> Callable[..., Any]:
    """An act: the error of this number."""

    def act(real: Callable[..., Any], *arguments: Any, **more: Any) -> Any:
        path = arguments[0] if arguments and isinstance(arguments[0], (str, bytes, os.PathLike)) else None
        raise OSError(number, os.strerror(number), path)

    return act


def dying(real: Callable[..., Any], *arguments: Any, **more: Any) -> Any:
    """An act: the process is killed just before the call."""
    os.kill(os.getpid(), signal.SIGKILL)


def dying_after(real: Callable[..., Any], *arguments: Any, **more: Any) -> Any:
    """An act: the process is killed just after the call."""
    real(*arguments, **more)
    os.kill(os.getpid(), signal.SIGKILL)


def forked(work: Callable[[], Any]) -> int:
    """Do something in a copy of this process; gives its number. Errors are written to stderr, and it ends with 1."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Python 3.12 warns of threads; ours are torch's, which sleep
        child = os.fork()
    if child:
        return child
    code = 1
    try:
        work()
        code = 0
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
    finally:
        os._exit(code)


def ended(child: int) -> int:
    """Wait for a process; its exit code, negative the signal that ended it."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def killed_after(child: int, seconds: float) -> int:
    """Kill a process after a time, if it still runs; its exit code."""
    time.sleep(seconds)
    with contextlib.suppress(ProcessLookupError):
        os.kill(child, signal.SIGKILL)
    return ended(child)


def contents(folder: Path) -> dict[str, bytes]:
    """All files below a folder with their bytes."""
    return {str(f.relative_to(folder)): f.read_bytes() for f in sorted(folder.rglob("*")) if f.is_file()}


@contextmanager
def untouched(*folders: Path) -> Iterator[None]:
    """Fail when anything in these folders changes meanwhile: bytes, names or times."""
    before = [_state(f) for f in folders]
    yield
    assert [_state(f) for f in folders] == before


def _state(folder: Path) -> dict[str, tuple]:
    return {n: (hash(data), (folder / n).stat().st_mtime_ns) for n, data in contents(folder).items()}
