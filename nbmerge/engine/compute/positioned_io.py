"""Reading and writing at a place in a file, from any thread, on every system.

Unix has calls for it. Elsewhere a lock keeps moving to the place and reading there together.
"""

from __future__ import annotations

import ctypes
import errno
import os
import stat
import sys
import threading

BINARY = getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
"""Flags for `os.open` that some systems need and others lack."""

_moving = threading.Lock()


def read_into(descriptor: int, buffer: memoryview, offset: int) -> int:
    """Read up to ``len(buffer)`` bytes from `offset`; returns how many, 0 at the file's end."""
    if hasattr(os, "preadv"):
        return os.preadv(descriptor, [buffer], offset)
    with _moving:
        os.lseek(descriptor, offset, os.SEEK_SET)
        data = os.read(descriptor, len(buffer))
    buffer[: len(data)] = data
    return len(data)


def write_at(descriptor: int, data: memoryview, offset: int) -> int:
    """Write bytes at `offset`; returns how many were taken."""
    if hasattr(os, "pwrite"):
        return os.pwrite(descriptor, data, offset)
    with _moving:
        os.lseek(descriptor, offset, os.SEEK_SET)
        return os.write(descriptor, data)


def write_all(descriptor: int, data: bytes | memoryview, offset: int) -> None:
    """Write all of the bytes at `offset`."""
    view = memoryview(data).cast("B")
    done = 0
    while done < len(view):
        taken = write_at(descriptor, view[done:], offset + done)
        if taken == 0:  # it would never end
            raise OSError(errno.EIO, "the system takes no more bytes")
        done += taken


def reserve(descriptor: int, size: int) -> None:
    """Give a file its size, its space taken where the system can promise that."""
    if os.fstat(descriptor).st_size > size:
        os.ftruncate(descriptor, size)
    if size and hasattr(os, "posix_fallocate"):
        try:
            os.posix_fallocate(descriptor, 0, size)
            return
        except OSError as error:
            if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS):  # what file systems without it say
                raise
    os.ftruncate(descriptor, size)


def sync(path: os.PathLike[str]) -> None:
    """Bring a file or folder to the disk; folders only where the system can."""
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
    """Let two names change places in one step; False where the system cannot, and then nothing was done."""
    names = os.fsencode(first), os.fsencode(second)
    try:
        library = ctypes.CDLL(None, use_errno=True)
        if sys.platform == "darwin":
            return library.renamex_np(*names, 2) == 0  # RENAME_SWAP
        return library.renameat2(-100, names[0], -100, names[1], 2) == 0  # AT_FDCWD twice, RENAME_EXCHANGE
    except (OSError, TypeError, AttributeError):  # no such library, or no such function in it
        return False
