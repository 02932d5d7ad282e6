"""Reading and writing at a position in a file, from any thread, on every system.

Unix has system calls for this. Elsewhere a lock combines seeking and reading.
"""

from __future__ import annotations

import ctypes
import errno
import os
import stat
import sys
import threading

BINARY = getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
"""Flags for `os.open` that only some systems have."""

_seek_lock = threading.Lock()


def read_into(descriptor: int, buffer: memoryview, offset: int) -> int:
    """Read up to ``len(buffer)`` bytes from `offset`; returns how many, 0 at the end of the file."""
    if hasattr(os, "preadv"):
        return os.preadv(descriptor, [buffer], offset)
    with _seek_lock:
        os.lseek(descriptor, offset, os.SEEK_SET)
        data = os.read(descriptor, len(buffer))
    buffer[: len(data)] = data
    return len(data)


def is_cached(descriptor: int, offset: int) -> bool | None:
    """Whether the byte at `offset` is in the system's cache; None where the system does not report it (only Linux does)."""
    if not hasattr(os, "RWF_NOWAIT"):
        return None
    try:
        return os.preadv(descriptor, [bytearray(1)], offset, os.RWF_NOWAIT) > 0
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno != errno.EOPNOTSUPP:  # not supported by the file system
            raise
        return None


def write_at(descriptor: int, data: memoryview, offset: int) -> int:
    """Write bytes at `offset`; returns how many were written."""
    if hasattr(os, "pwrite"):
        return os.pwrite(descriptor, data, offset)
    with _seek_lock:
        os.lseek(descriptor, offset, os.SEEK_SET)
        return os.write(descriptor, data)


def write_all(descriptor: int, data: bytes | memoryview, offset: int) -> None:
    """Write all of the bytes at `offset`."""
    view = memoryview(data).cast("B")
    done = 0
    while done < len(view):
        written = write_at(descriptor, view[done:], offset + done)
        if written == 0:  # the loop would never end
            raise OSError(errno.EIO, "the system wrote no bytes")
        done += written


def reserve(descriptor: int, size: int) -> None:
    """Set the size of a file, and allocate its space where the system supports that."""
    if os.fstat(descriptor).st_size > size:
        os.ftruncate(descriptor, size)
    if size and hasattr(os, "posix_fallocate"):
        try:
            os.posix_fallocate(descriptor, 0, size)
            return
        except OSError as error:
            if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS):  # not supported by the file system
                raise
    os.ftruncate(descriptor, size)


def sync(path: os.PathLike[str]) -> None:
    """Flush a file or folder to disk; folders only where the system supports it."""
    if os.name == "nt" and os.path.isdir(path):
        return
    descriptor = os.open(path, (os.O_RDWR if os.name == "nt" else os.O_RDONLY) | BINARY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        folder = stat.S_ISDIR(os.fstat(descriptor).st_mode)
        if not (folder and error.errno in (errno.EINVAL, errno.EOPNOTSUPP, errno.EBADF)):  # network file systems
            raise
    finally:
        os.close(descriptor)


def exchange(first: os.PathLike[str], second: os.PathLike[str]) -> bool:
    """Swap two names in one step; returns False, without changes, if the system does not support it."""
    names = os.fsencode(first), os.fsencode(second)
    try:
        library = ctypes.CDLL(None, use_errno=True)
        if sys.platform == "darwin":
            return library.renamex_np(*names, 2) == 0  # RENAME_SWAP
        return library.renameat2(-100, names[0], -100, names[1], 2) == 0  # AT_FDCWD twice, RENAME_EXCHANGE
    except (OSError, TypeError, AttributeError):  # no such library, or no such function in it
        return False
