"""Writing without the system's page cache.

Gigabytes of output would only evict the inputs from the cache, and every page would have to be found, cleared and written
back later. Blocks that fill whole pages go to disk at once instead; the rest at both ends of a tensor is written in the
ordinary way. Where the system or the disk does not support direct writes, everything is.
"""

from __future__ import annotations

import errno
import mmap
import os
import threading
from pathlib import Path

from nbmerge.engine.compute.positioned_io import BINARY, write_all

PAGE = 4096
"""Bytes that direct writes are aligned to, in memory and on disk."""
HELD = 1 << 20
"""Bytes collected for one direct write (1 MiB): more is not faster, and every worker has such a buffer."""
WORTHWHILE = 1 << 27
"""Files smaller than this (128 MiB) go through the page cache, so that loading them next is fast."""

NO_LINK = getattr(os, "O_NOFOLLOW", 0)
"""For `os.open`: a link in the place of an output file is an error, so its target is not overwritten."""

_buffers = threading.local()


class OutputFile:
    """A file of the result, laid out before its tensors are written.

    Parameters
    ----------
    path : Path
    create : bool
        Create it if it does not exist.
    direct_from : int
        Size in bytes from which on it is written without the page cache.
    """

    def __init__(self, path: Path, create: bool = False, direct_from: int | None = None):
        self._path = path
        self._direct_from = WORTHWHILE if direct_from is None else direct_from
        self.descriptor = os.open(path, os.O_RDWR | (os.O_CREAT if create else 0) | NO_LINK | BINARY, 0o666)
        self._direct: int | None = None
        self._direct_tried = False
        self._lock = threading.Lock()

    def stream(self, offset: int) -> Stream:
        """A stream for the bytes of one tensor that begins at `offset`."""
        with self._lock:  # several workers may begin their first tensors at once
            if not self._direct_tried:
                self._direct_tried = True
                self._direct = self._open_direct()
        return Stream(self.descriptor, self._direct, offset)

    def _open_direct(self) -> int | None:
        """The same file, open for direct writes; None where it is small, or the system does not support them."""
        if not hasattr(os, "O_DIRECT") or os.fstat(self.descriptor).st_size < self._direct_from:
            return None
        try:
            return os.open(self._path, os.O_WRONLY | os.O_DIRECT | NO_LINK | BINARY)
        except OSError:  # not every file system supports it
            return None

    def sync(self) -> None:
        """Flush it to disk."""
        os.fsync(self.descriptor)

    def close(self) -> None:
        """Close it, complete or not."""
        for descriptor in (self.descriptor, self._direct):
            if descriptor is not None:
                os.close(descriptor)


class Stream:
    """Writes the bytes of one tensor to a file, in order, from one thread.

    Parameters
    ----------
    descriptor : int
    direct : int or None
        The same file, open for direct writes.
    offset : int
        Position of the first byte in the file.
    """

    def __init__(self, descriptor: int, direct: int | None, offset: int):
        self._descriptor, self._direct = descriptor, direct
        self._place = offset
        self._held = 0

    def write(self, data: memoryview) -> None:
        """Write the next bytes."""
        if self._direct is None:
            self._ordinary(data)
            return
        if not self._held and self._place % PAGE:
            head = min(len(data), -self._place % PAGE)
            self._ordinary(data[:head])
            data = data[head:]
        buffer = _buffer()
        while len(data):
            taken = min(len(data), HELD - self._held)
            buffer[self._held : self._held + taken] = data[:taken]
            self._held += taken
            data = data[taken:]
            if self._held == HELD:
                self._flush(buffer, HELD)

    def close(self) -> None:
        """Write what is still buffered; the tensor is complete."""
        if self._held:
            buffer, whole = _buffer(), self._held - self._held % PAGE
            rest = bytes(buffer[whole : self._held])
            self._flush(buffer, whole)
            self._ordinary(memoryview(rest))

    def _flush(self, buffer: memoryview, count: int) -> None:
        done = 0
        try:
            while self._direct is not None and done < count:
                taken = os.pwrite(self._direct, buffer[done:count], self._place + done)
                if not taken:
                    break
                done += taken
        except OSError as error:
            if error.errno != errno.EINVAL:  # some file systems open files this way and then refuse to write
                raise
            self._direct = None
        if done < count:  # write_all handles a disk that accepts no bytes
            write_all(self._descriptor, buffer[done:count], self._place + done)
        self._place += count
        self._held = 0

    def _ordinary(self, data: memoryview) -> None:
        write_all(self._descriptor, data, self._place)
        self._place += len(data)


def _buffer() -> memoryview:
    """The buffer of this thread, at the start of a page of memory."""
    if not hasattr(_buffers, "view"):
        _buffers.view = memoryview(mmap.mmap(-1, HELD))
    return _buffers.view
