"""Locks next to an output folder, and the renames that give a complete folder its name."""

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
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]  # there is no type for a module that may be absent


def beside(out: Path, what: str) -> Path:
    """The path of a hidden neighbour of the output: "partial", "journal" or "replaced"."""
    return out.with_name(f".{out.name}.nbmerge-{what}")


@contextmanager
def reserved(out: Path) -> Iterator[Path]:
    """Lock an output path; yields the folder to build in.

    Raises
    ------
    OutputError
        When another merge has locked it, or a file is in the way of that folder.
    """
    try:
        with _lock(out).acquire(timeout=0):
            out.parent.mkdir(parents=True, exist_ok=True)
            recover(out)
            partial = beside(out, "partial")
            if partial.is_symlink() or (partial.exists() and not partial.is_dir()):
                raise OutputError(
                    f"{partial} is in the way: it is not a folder. Remove it, or choose another output folder."
                )
            partial.mkdir(exist_ok=True)
            with lock_folder(partial):
                yield partial
    except (Timeout, BlockingIOError) as error:
        raise _held_by_another(out) from error


def _lock(out: Path) -> FileLock:
    """A lock for one output on this machine. Its file is never removed: removing it could free what another holds."""
    return FileLock(_folder_of_locks() / f"{hashlib.sha256(os.fsencode(out.resolve())).hexdigest()[:32]}.lock")


def _folder_of_locks() -> Path:
    """A folder for locks that no other user can write to.

    Raises
    ------
    OutputError
        When no such folder can be used.
    """
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    folders = [Path(runtime) / "nbmerge-locks"] if os.path.isabs(runtime) else []
    folders.append(Path(tempfile.gettempdir()) / f"nbmerge-locks-{_user()}")
    folders.append(Path.home() / ".cache" / "nbmerge" / "locks")
    for folder in folders:
        if _is_ours(folder):
            return folder
    raise OutputError(
        f"cannot create a lock: {', '.join(map(str, folders))} are not writable, or belong to other users. "
        "Set TMPDIR to a folder that only you can write to."
    )


def _is_ours(folder: Path) -> bool:
    """Whether it is, or can be created as, a folder that only this user can write to."""
    try:
        if folder.parent.name == "nbmerge":
            folder.parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)
        status = os.lstat(folder)
    except OSError:
        return False
    if not stat.S_ISDIR(status.st_mode) or not os.access(folder, os.W_OK | os.X_OK):
        return False
    return os.name != "posix" or (status.st_uid == _user() and not status.st_mode & 0o022)


def _user() -> int:
    return getattr(os, "getuid", lambda: 0)()


@contextmanager
def locked(out: Path) -> Iterator[None]:
    """Lock an output path without building in it; OutputError when another process has locked it."""
    partial = beside(out, "partial")
    try:
        with _lock(out).acquire(timeout=0), lock_folder(partial) if partial.is_dir() else nullcontext():
            yield
    except (Timeout, BlockingIOError) as error:
        raise _held_by_another(out) from error


def _held_by_another(out: Path) -> OutputError:
    return OutputError(f"another merge is writing to {out}. Wait for it to finish, or choose another folder.")


@contextmanager
def lock_folder(folder: Path) -> Iterator[None]:
    """Lock a folder itself, where the file system supports it.

    This also works between containers, and between processes with different temporary folders.
    """
    descriptor = os.open(folder, os.O_RDONLY | BINARY) if fcntl is not None else None
    try:
        if descriptor is not None:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
                    raise BlockingIOError(error.errno, error.strerror) from error
        yield
    finally:
        if descriptor is not None:
            os.close(descriptor)


def recover(out: Path) -> None:
    """Restore the model that a merge was about to replace when it was killed between two renames."""
    old = beside(out, "replaced")
    if old.exists() and not out.exists():
        old.rename(out)


def put_in_place(partial: Path, out: Path, check: Callable[[Path, Path], None]) -> None:
    """Flush a complete folder to disk and rename it, with the mode of the folder that it replaces.

    Parameters
    ----------
    partial, out : Path
    check : callable
        ``(folder, out)``: raises if what was at `out`, and is in `folder` now, must not be removed.
    """
    for path in partial.iterdir():
        sync(path)
    sync(partial)
    old = None
    if out.exists():
        with suppress(OSError):
            partial.chmod(stat.S_IMODE(out.stat().st_mode))
    if not out.exists() or (os.name == "posix" and not any(out.iterdir())):
        partial.rename(out)  # this replaces an empty folder
    elif exchange(partial, out):
        _check_replaced(partial, out, check, lambda: exchange(partial, out))
        old = beside(out, "replaced")
        remove(old)
        partial.rename(old)  # so that no other merge builds in what is being removed
    else:
        old = _in_two_steps(partial, out, check)
    try:
        sync(out.parent)
    except OSError as error:
        raise MergeError(
            f"{out} is complete, but its name may not be on disk: {error.strerror or error}. "
            f"Check the disk, then check the model with 'nbmerge verify {out}'."
        ) from error
    if old is not None:
        remove(old)


def remove(folder: Path) -> None:
    """Remove a folder, as far as the system allows; links are not followed or removed."""
    if folder.is_symlink() or not folder.exists():
        return
    with suppress(OSError):
        folder.chmod(0o700)
    shutil.rmtree(folder, ignore_errors=True)


def _check_replaced(old: Path, out: Path, check: Callable[[Path, Path], None], undo: Callable[[], object]) -> None:
    """Check once more before anything is removed, because files may have been added in the meantime."""
    try:
        check(old, out)
    except BaseException:
        undo()
        raise


def _in_two_steps(partial: Path, out: Path, check: Callable[[Path, Path], None]) -> Path:
    """Replace where two names cannot be swapped in one step; a kill between the steps is repaired by the next run."""
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
