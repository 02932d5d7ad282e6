"""One name, one merge, and never anything incomplete under it: locks beside the output, and the renames at the end."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from nbmerge.engine.compute.positioned_io import BINARY, exchange, sync
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
            recover(out)
            partial = beside(out, "partial")
            if partial.is_symlink() or (partial.exists() and not partial.is_dir()):
                raise OutputError(f"{partial} is in the way: it is not a folder. Remove it, or choose another name.")
            partial.mkdir(exist_ok=True)
            with _alone_in(partial):
                yield partial
    except (Timeout, BlockingIOError) as error:
        raise _held_by_another(out) from error


def _lock(out: Path) -> FileLock:
    """A lock for one output on this machine. Its file is never removed: removing it could free what another holds."""
    return FileLock(_lock_folder() / f"{hashlib.sha256(os.fsencode(out.resolve())).hexdigest()[:32]}.lock")


def _lock_folder() -> Path:
    """A folder for locks that nobody else can write to, or has put in our way.

    Raises
    ------
    OutputError
        When there is none.
    """
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    folders = [Path(runtime) / "nbmerge-locks"] if os.path.isabs(runtime) else []
    folders.append(Path(tempfile.gettempdir()) / f"nbmerge-locks-{_user()}")
    folders.append(Path.home() / ".cache" / "nbmerge" / "locks")
    for folder in folders:
        if _is_ours(folder):
            return folder
    raise OutputError(
        f"no folder for locks can be used: {', '.join(map(str, folders))} belong to others or cannot be written to. "
        "Set TMPDIR to a folder of your own."
    )


def _is_ours(folder: Path) -> bool:
    """Whether it is, or can be made, a folder of this user that nobody else can write to."""
    try:
        if folder.parent.name == "nbmerge":
            folder.parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)
        found = os.lstat(folder)
    except OSError:
        return False
    if not stat.S_ISDIR(found.st_mode) or not os.access(folder, os.W_OK | os.X_OK):
        return False
    return os.name != "posix" or (found.st_uid == _user() and not found.st_mode & 0o022)


def _user() -> int:
    return getattr(os, "getuid", lambda: 0)()


@contextmanager
def locked(out: Path) -> Iterator[None]:
    """Hold the place of an output without building in it; OutputError when another process holds it."""
    partial = beside(out, "partial")
    try:
        with _lock(out).acquire(timeout=0), _alone_in(partial) if partial.is_dir() else nullcontext():
            yield
    except (Timeout, BlockingIOError) as error:
        raise _held_by_another(out) from error


def _held_by_another(out: Path) -> OutputError:
    return OutputError(f"another merge is writing {out}. Wait for it, or choose another name.")


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


def recover(out: Path) -> None:
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
        _check_replaced(partial, out, check, lambda: exchange(partial, out))
        old = beside(out, "replaced")
        remove(old)
        partial.rename(old)  # nobody begins to build in what is being removed
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
    if folder.is_symlink() or not folder.exists():
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
