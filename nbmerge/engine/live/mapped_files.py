"""Parents mapped into memory: a merge that is updated again and again reads them from the page cache.

A mapping is valid for one state of a file. A file that was replaced or modified is mapped again. (On most systems the process
is killed if a file is truncated while it is mapped: do not truncate a model in use.)
"""

from __future__ import annotations

import mmap
import os
import threading
from pathlib import Path

import torch

from nbmerge.checkpoints import StoredTensor
from nbmerge.checkpoints.dtypes import item_bytes
from nbmerge.checkpoints.file_state import FileState
from nbmerge.errors import CheckpointError, MergeError
from nbmerge.guarded_files import open_model_file


class MappedFiles:
    """Stored tensors as torch tensors whose memory is their mapped file."""

    def __init__(self) -> None:
        self._maps: dict[Path, tuple[FileState, mmap.mmap]] = {}
        self._flat: dict[StoredTensor, torch.Tensor] = {}
        self._lock = threading.Lock()

    def flat(self, stored: StoredTensor) -> torch.Tensor:
        """All elements of a tensor, 1-D, in the dtype they are stored in. Do not modify them."""
        found = self._flat.get(stored)
        if found is None:
            with self._lock:
                found = self._flat[stored] = self._view(stored)
        return found

    def tensor(self, stored: StoredTensor) -> torch.Tensor:
        """A tensor in its own shape."""
        return self.flat(stored).view(stored.shape)

    def state(self, file: Path) -> FileState:
        """The state of a mapped file."""
        with self._lock:
            return self._map(file)[0]

    def refresh(self) -> set[Path]:
        """Release files that changed since they were mapped, and return their paths."""
        with self._lock:
            changed = {file for file, (state, _) in self._maps.items() if _state(file) != state}
            for file in changed:
                del self._maps[file]
            self._flat = {s: t for s, t in self._flat.items() if s.file not in changed} if changed else self._flat
            return changed

    def close(self) -> None:
        """Release all files; each is closed once no tensor refers to it."""
        with self._lock:
            self._maps, self._flat = {}, {}

    @property
    def nbytes(self) -> int:
        """Size of all mapped files."""
        return sum(state.size for state, _ in self._maps.values())

    def _view(self, stored: StoredTensor) -> torch.Tensor:
        _, mapped = self._map(stored.file)
        dtype, item = getattr(torch, stored.dtype), item_bytes(stored.dtype)
        if stored.start + stored.nbytes > len(mapped):
            raise MergeError(
                f"{stored.file} ended before {stored.name}; it was modified or truncated since it was opened. "
                "Restore it and update again."
            )
        if not stored.count:
            return torch.empty(0, dtype=dtype)
        if stored.start % item:  # the format allows unaligned tensors, torch does not
            data = bytearray(mapped[stored.start : stored.start + stored.nbytes])
            return torch.frombuffer(data, dtype=dtype)
        return torch.frombuffer(mapped, dtype=dtype, count=stored.count, offset=stored.start)

    def _map(self, file: Path) -> tuple[FileState, mmap.mmap]:
        if file not in self._maps:
            try:
                with open_model_file(file) as descriptor:
                    status = os.fstat(descriptor)
                    # Private instead of read-only: torch has no read-only tensors, and writing does not reach the file.
                    mapped = mmap.mmap(descriptor, 0, access=mmap.ACCESS_COPY)
            except CheckpointError as error:
                raise MergeError(str(error)) from error
            except (OSError, ValueError) as error:
                raise MergeError(f"{file} cannot be mapped into memory: {error}.") from error
            self._maps[file] = (FileState.of(status), mapped)
        return self._maps[file]


def _state(file: Path) -> FileState | None:
    try:
        return FileState.of(os.stat(file))
    except OSError:
        return None
