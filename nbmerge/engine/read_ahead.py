"""Read inputs into the system's cache while this process is busy with something else.

A program that merges first imports torch, which keeps one processor busy for a second or two. A disk can read gigabytes in that time.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from nbmerge.engine.compute.positioned_io import is_cached
from nbmerge.engine.cost import available_memory
from nbmerge.engine.planning.plans import TensorPlan
from nbmerge.errors import NbmergeError
from nbmerge.guarded_files import open_descriptor

CHUNK = 8 << 20
"""Bytes that are read at once: after each, the thread waits for its turn among the threads of Python."""
SHARE = 0.5
"""Of the free memory that is filled at most: what does not fit would push out what was read before."""


@contextmanager
def reading_ahead(tensors: Iterable[TensorPlan]) -> Iterator[None]:
    """Read the inputs of tensors in the background while the body runs, those first that a merge reads first.

    Does nothing where the system cannot say whether a part of a file is in its cache (only Linux can), or how much memory is free.
    """
    free = available_memory() if hasattr(os, "RWF_NOWAIT") else None
    if free is None:
        yield
        return
    stop = threading.Event()
    ordered = sorted(tensors, key=lambda t: -t.count)
    reader = threading.Thread(target=_read, args=(ordered, int(free * SHARE), stop), name="nbmerge-read-ahead")
    reader.start()
    try:
        yield
    finally:
        stop.set()
        reader.join()


def _read(tensors: Iterable[TensorPlan], most: int, stop: threading.Event) -> None:
    """Read what is not in the cache yet, up to `most` bytes; whatever is wrong with a file, the merge will report."""
    buffer, files = memoryview(bytearray(CHUNK)), dict[Path, int]()
    try:
        for file, offset, size in _chunks(tensors):
            if stop.is_set() or most < size:
                return
            if file not in files:
                files[file] = open_descriptor(file)
            if is_cached(files[file], offset) is False:
                most -= os.preadv(files[file], [buffer[:size]], offset)
    except (OSError, NbmergeError):
        return
    finally:
        for descriptor in files.values():
            os.close(descriptor)


def _chunks(tensors: Iterable[TensorPlan]) -> Iterator[tuple[Path, int, int]]:
    """File, offset and size of the parts of all inputs."""
    for tensor in tensors:
        for leaf in tensor.leaves():
            for offset in range(leaf.start, leaf.start + leaf.nbytes, CHUNK):
                yield leaf.file, offset, min(CHUNK, leaf.start + leaf.nbytes - offset)
