"""The input files of a merge: opened once, read at any position by any worker, and checked for changes."""

from __future__ import annotations

import os
import threading
from dataclasses import replace
from pathlib import Path

from nbmerge.checkpoints import StoredTensor
from nbmerge.checkpoints.dtypes import item_bytes
from nbmerge.checkpoints.file_state import FileState
from nbmerge.engine.compute.positioned_io import read_into
from nbmerge.errors import CheckpointError, MergeError
from nbmerge.guarded_files import open_descriptor


class InputFiles:
    """Open input files, shared by all workers; reads are positioned and need no lock.

    A file must remain in the state in which its header was read: otherwise the positions in a plan are wrong, or a result
    would mix tensors of the old and the new file.
    """

    def __init__(self) -> None:
        self._open: dict[Path, tuple[int, FileState | None, int]] = {}
        """Descriptor, state at planning, and number of hard links when it was opened."""
        self._lock = threading.Lock()

    def read(self, stored: StoredTensor, start: int, buffer: memoryview) -> None:
        """Fill the buffer with the bytes of a tensor from its element `start` on.

        Raises
        ------
        MergeError
            When the file cannot be read, is too short, or is not the file that was planned with.
        """
        offset = stored.start + start * item_bytes(stored.dtype)
        done = 0
        try:
            descriptor = self._descriptor(stored)
            while done < len(buffer):
                got = read_into(descriptor, buffer[done:], offset + done)
                if got == 0:
                    raise MergeError(
                        f"{stored.file} ended before {stored.name}; it was modified or truncated while it was read."
                    )
                done += got
        except CheckpointError as error:  # the file was replaced by something else
            raise MergeError(str(error)) from error
        except OSError as error:
            raise MergeError(
                f"{stored.file} cannot be read ({stored.name}): {error.strerror or error}. Check the file and its disk, "
                "then run again to resume."
            ) from error

    def check_unchanged(self) -> None:
        """Check that no file that was read has changed.

        Raises
        ------
        MergeError
            When one has.
        """
        with self._lock:
            for file, (descriptor, state, names) in self._open.items():
                renamed = os.fstat(descriptor).st_nlink != names  # this changes a timestamp, but not the bytes
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

    def __enter__(self) -> InputFiles:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


def _compare(file: Path, descriptor: int, state: FileState | None) -> None:
    if state is not None and not state.agrees_with(FileState.of(os.fstat(descriptor))):
        raise MergeError(
            f"{file} was modified after the merge was planned. Do not modify the inputs during a merge. Start again: tensors "
            "that were computed from the old file are not used."
        )
