"""The input files of a merge: opened once, read at any place by any worker, and watched for changes meanwhile."""

from __future__ import annotations

import os
import threading
from dataclasses import replace
from pathlib import Path

from nbmerge.checkpoints import StoredTensor
from nbmerge.checkpoints.file_state import FileState
from nbmerge.checkpoints.header import CODES, ITEM_BYTES
from nbmerge.engine.compute.positioned_io import read_into
from nbmerge.errors import CheckpointError, MergeError
from nbmerge.guarded_files import open_descriptor


class Files:
    """Open input files, shared by all workers; reads are positioned and need no lock.

    A file must be, and remain, in the state in which its header was read: otherwise a plan's places mean nothing, or a
    result would hold some tensors of the old file and some of the new.
    """

    def __init__(self):
        self._open: dict[Path, tuple[int, FileState | None, int]] = {}
        """Descriptor, state that was planned with, and number of names when it was opened."""
        self._lock = threading.Lock()

    def read(self, stored: StoredTensor, start: int, buffer: memoryview) -> None:
        """Fill the buffer with a tensor's bytes from its element `start` on.

        Raises
        ------
        MergeError
            When the file cannot be read, ends too soon, or is not the file that was planned with.
        """
        offset = stored.start + start * ITEM_BYTES[CODES[stored.dtype]]
        done = 0
        try:
            descriptor = self._descriptor(stored)
            while done < len(buffer):
                got = read_into(descriptor, buffer[done:], offset + done)
                if got == 0:
                    raise MergeError(
                        f"{stored.file} ended before {stored.name}; it was changed or cut while it was read."
                    )
                done += got
        except CheckpointError as error:  # something else took the place of the file that was planned with
            raise MergeError(str(error)) from error
        except OSError as error:
            raise MergeError(
                f"{stored.file} cannot be read ({stored.name}): {error.strerror or error}. See to the file or its disk, "
                "then run it again: it goes on from what is finished."
            ) from error

    def unchanged(self) -> None:
        """Make sure that all files that were read are still as they were.

        Raises
        ------
        MergeError
            When one is not.
        """
        with self._lock:
            for file, (descriptor, state, names) in self._open.items():
                renamed = os.fstat(descriptor).st_nlink != names  # which changes nothing but a time, and not the bytes
                _compare(file, descriptor, replace(state, local=None) if renamed and state is not None else state)

    def _descriptor(self, stored: StoredTensor) -> int:
        with self._lock:
            if stored.file not in self._open:
                descriptor = open_descriptor(stored.file)
                self._open[stored.file] = descriptor, stored.state, os.fstat(descriptor).st_nlink
                _compare(stored.file, descriptor, stored.state)
            return self._open[stored.file][0]

    def close(self) -> None:
        """Close all files."""
        with self._lock:
            for descriptor, *_ in self._open.values():
                os.close(descriptor)
            self._open.clear()

    def __enter__(self) -> Files:
        return self

    def __exit__(self, *exc) -> None:
        self.close()


def _compare(file: Path, descriptor: int, state: FileState | None) -> None:
    if state is not None and not state.agrees_with(FileState.of(os.fstat(descriptor))):
        raise MergeError(
            f"{file} was changed after the merge was planned. Leave the inputs alone and start again: what was made of "
            "the old file is not used."
        )
