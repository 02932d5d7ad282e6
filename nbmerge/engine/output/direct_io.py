"""Writing without the system's page cache.

Gigabytes of output would only evict the inputs from the cache, and every page would have to be found, cleared and written
back later. Blocks that fill whole pages go to disk at once instead; the rest at both ends of a tensor is written in the
ordinary way. Where the system or the disk does not support direct writes, everything is.

A direct write ends when the disk has the bytes. Meanwhile the worker computes the next ones, into a second buffer.
"""

from __future__ import annotations

import errno
import mmap
import os
import threading
from concurrent.futures import Executor, Future, ThreadPoolExecutor, wait
from pathlib import Path

from nbmerge.engine.compute.positioned_io import BINARY, write_all

PAGE = 4096
"""Bytes that direct writes are aligned to, in memory and on disk."""
HELD = 1 << 20
"""Bytes collected for one direct write (1 MiB): more is not faster, and every worker has two such buffers."""
MOST_AT_ONCE = 32
"""Direct writes to one file that are under way at the same time at most; there is one for each worker that writes to it."""
WORTHWHILE = 1 << 27
"""Files smaller than this (128 MiB) go through the page cache, so that loading them next is fast."""

NO_LINK = getattr(os, "O_NOFOLLOW", 0)
"""For `os.open`: a link in the place of an output file is an error, so its target is not overwritten."""


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
        self._threads = ThreadPoolExecutor(MOST_AT_ONCE, "nbmerge-write")  # it starts them when they are needed

    def stream(self, offset: int) -> Stream:
        """A stream for the bytes of one tensor that begins at `offset`."""
        with self._lock:  # several workers may begin their first tensors at once
            if not self._direct_tried:
                self._direct_tried = True
                self._direct = self._open_direct()
        return Stream(self.descriptor, self._direct, offset, self._threads)

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
        """Close it, complete or not, once nothing is written to it any more."""
        self._threads.shutdown()
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
    executor : Executor
        Runs direct writes while the next bytes are collected.
    """

    def __init__(self, descriptor: int, direct: int | None, offset: int, executor: Executor):
        self._descriptor, self._direct, self._executor = descriptor, direct, executor
        self._place = offset
        """Position in the file of what is collected next, or is being collected."""
        self._held = 0
        self._under_way: Future[None] | None = None

    def write(self, data: memoryview) -> None:
        """Write the next bytes."""
        if self._direct is None and not self._held:
            self._ordinary(data)
            return
        if not self._held and self._place % PAGE:
            head = min(len(data), -self._place % PAGE)
            self._ordinary(data[:head])
            data = data[head:]
        while len(data):
            taken = min(len(data), HELD - self._held)
            _buffers.first[self._held : self._held + taken] = data[:taken]
            self._held += taken
            data = data[taken:]
            if self._held == HELD:
                self._write_meanwhile()

    def close(self) -> None:
        """Write what is still buffered; the tensor is complete."""
        self._await_write()
        if self._held:
            whole = self._held - self._held % PAGE
            rest = bytes(_buffers.first[whole : self._held])
            self._flush(_buffers.first[:whole], self._place)
            self._place += whole
            self._held = 0
            self._ordinary(memoryview(rest))

    def _write_meanwhile(self) -> None:
        """Let a thread write the full buffer, and go on with the other, once that is written."""
        self._await_write()
        try:
            self._under_way = self._executor.submit(self._flush, _buffers.first, self._place)
            _buffers.exchange(self._under_way)
        except RuntimeError:  # Python is ending, and starts no threads
            self._flush(_buffers.first, self._place)
        self._place += HELD
        self._held = 0

    def _await_write(self) -> None:
        """Wait for the write that is under way, and raise its error."""
        write, self._under_way = self._under_way, None
        if write is not None:
            write.result()

    def _flush(self, data: memoryview, place: int) -> None:
        done = 0
        try:
            while self._direct is not None and done < len(data):
                taken = os.pwrite(self._direct, data[done:], place + done)
                if not taken:
                    break
                done += taken
        except OSError as error:
            if error.errno != errno.EINVAL:  # some file systems open files this way and then refuse to write
                raise
            self._direct = None
        if done < len(data):  # write_all handles a disk that accepts no bytes
            write_all(self._descriptor, data[done:], place + done)

    def _ordinary(self, data: memoryview) -> None:
        write_all(self._descriptor, data, self._place)
        self._place += len(data)


class _Buffers(threading.local):
    """The buffers of a thread, at the start of a page of memory: one is filled while the other is written."""

    def __init__(self) -> None:
        self.first, self._second = (memoryview(mmap.mmap(-1, HELD)) for _ in range(2))
        self._written: Future[None] | None = None
        """The write that reads the second buffer."""

    def exchange(self, write: Future[None]) -> None:
        """Go on with the second buffer while the first is written; wait if a tensor that was abandoned is still written from it."""
        if self._written is not None:
            wait([self._written])
        self.first, self._second, self._written = self._second, self.first, write


_buffers = _Buffers()
