"""One name, one merge, and never anything incomplete under it: locks beside the output, and the renames at the end."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from nbmerge.engine.positioned import BINARY, exchange, sync
from nbmerge.errors import MergeError, OutputError

try:
    from fcntl import LOCK_EX, LOCK_NB, flock
except ImportError:  # Windows
    flock = None


def beside(out: Path, what: str) -> Path:
    """A hidden neighbour of the output: "partial", "journal" or "replaced"."""
    return out.with_name(f".{out.name}.nbmerge-{what}")


@contextmanager
def reserved(out: Path) -> Iterator[Path]:
    """Hold the place of an output; gives the folder to build in.

    Raises
    ------
    OutputError
        When another merge holds it, or something lies where the folder would be.
    """
    try:
        with _lock(out).acquire(timeout=0):
            out.parent.mkdir(parents=True, exist_ok=True)
            _recover(out)
            partial = beside(out, "partial")
            if partial.is_symlink() or (partial.exists() and not partial.is_dir()):
                raise OutputError(f"{partial} is in the way: it is not a folder. Remove it, or choose another name.")
            partial.mkdir(exist_ok=True)
            with _alone_in(partial):
                yield partial
    except (Timeout, BlockingIOError) as error:
        raise OutputError(f"another merge is writing {out}. Wait for it, or choose another name.") from error


def _lock(out: Path) -> FileLock:
    """A lock for one output on this machine. Its file is never removed: removing it could free what another holds."""
    folder = Path(tempfile.gettempdir()) / f"nbmerge-locks-{getattr(os, 'getuid', lambda: 0)()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    return FileLock(folder / f"{hashlib.sha256(os.fsencode(out.resolve())).hexdigest()[:32]}.lock")


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """A lock on the folder itself, where the file system keeps such locks.

    It also holds between containers, and between processes that have different folders for temporary files.
    """
    descriptor = os.open(folder, os.O_RDONLY | BINARY) if flock else None
    try:
        if descriptor is not None:
            try:
                flock(descriptor, LOCK_EX | LOCK_NB)
            except OSError as error:
                if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
                    raise BlockingIOError(error.errno, error.strerror) from error
        yield
    finally:
        if descriptor is not None:
            os.close(descriptor)


def _recover(out: Path) -> None:
    """Give back the older model that a merge was about to replace when it was killed between two renames."""
    old = beside(out, "replaced")
    if old.exists() and not out.exists():
        old.rename(out)


def put_in_place(partial: Path, out: Path, check: Callable[[Path, Path], None]) -> None:
    """Bring a complete folder to the disk and give it its name, with the mode of the folder that it replaces.

    Parameters
    ----------
    partial, out : Path
    check : callable
        ``(folder, out)``: raises if what lay under the name `out`, and lies in `folder` now, must not be removed.
    """
    for path in partial.iterdir():
        sync(path)
    sync(partial)
    old = None
    if out.exists():
        with suppress(OSError):
            partial.chmod(stat.S_IMODE(out.stat().st_mode))
    if not out.exists() or (os.name == "posix" and not any(out.iterdir())):
        partial.rename(out)  # an empty folder gives way in the same step
    elif exchange(partial, out):
        old = partial
        _check_replaced(old, out, check, lambda: exchange(old, out))
    else:
        old = _in_two_steps(partial, out, check)
    try:
        sync(out.parent)
    except OSError as error:
        raise MergeError(
            f"{out} is complete, but the disk did not confirm that it holds its name: {error.strerror or error}. "
            f"Check the disk; 'nbmerge verify {out}' tells whether the model is sound."
        ) from error
    if old is not None:
        remove(old)


def remove(folder: Path) -> None:
    """Remove a folder, as far as the system allows; a link is left alone."""
    if folder.is_symlink():
        return
    with suppress(OSError):
        folder.chmod(0o700)
    shutil.rmtree(folder, ignore_errors=True)


def _check_replaced(old: Path, out: Path, check: Callable[[Path, Path], None], undo: Callable[[], object]) -> None:
    """Look once more before anything is removed: what came into the folder at the last moment is not lost either."""
    try:
        check(old, out)
    except BaseException:
        undo()
        raise


def _in_two_steps(partial: Path, out: Path, check: Callable[[Path, Path], None]) -> Path:
    """Where names cannot change places in one step; what a kill between the two leaves is put right by the next run."""
    old = beside(out, "replaced")
    remove(old)
    out.rename(old)

    def undo() -> None:
        with suppress(OSError):
            old.rename(out)

    _check_replaced(old, out, check, undo)
    try:
        partial.rename(out)
    except OSError:
        undo()
        raise
    return old
