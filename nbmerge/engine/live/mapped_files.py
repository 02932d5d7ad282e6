"""Parents mapped into memory: for a merge that is changed again and again, reading costs a look at the page cache.

A mapping is good for one state of a file. A file that was replaced or written to is mapped anew; `state` tells them
apart. (A file that is cut short while it is mapped ends the process on most systems: do not shorten a model in use.)
"""

from __future__ import annotations

import mmap
import os
import threading
from pathlib import Path

import torch

from nbmerge.checkpoints import StoredTensor
from nbmerge.checkpoints.file_state import FileState
from nbmerge.checkpoints.header import CODES, ITEM_BYTES
from nbmerge.errors import CheckpointError, MergeError
from nbmerge.guarded_files import open_model_file


class Mapped:
    """Stored tensors as torch tensors that lie in their files."""

    def __init__(self) -> None:
        self._maps: dict[Path, tuple[FileState, mmap.mmap]] = {}
        self._flat: dict[StoredTensor, torch.Tensor] = {}
        self._lock = threading.Lock()

    def flat(self, stored: StoredTensor) -> torch.Tensor:
        """All elements of a tensor, 1-D, in the dtype they are stored in. Not to be written to."""
        found = self._flat.get(stored)
        if found is None:
            with self._lock:
                found = self._flat[stored] = self._seen(stored)
        return found

    def tensor(self, stored: StoredTensor) -> torch.Tensor:
        """A tensor in its own shape."""
        return self.flat(stored).view(stored.shape)

    def state(self, file: Path) -> FileState:
        """The state of a file that is mapped."""
        with self._lock:
            return self._map(file)[0]

    def refresh(self) -> set[Path]:
        """Let go of files that are not as they were when they were mapped, and name them."""
        with self._lock:
            changed = {file for file, (state, _) in self._maps.items() if _state(file) != state}
            for file in changed:
                del self._maps[file]
            self._flat = {s: t for s, t in self._flat.items() if s.file not in changed} if changed else self._flat
            return changed

    def close(self) -> None:
        """Let go of all files; each is closed when nobody holds a tensor of it any more."""
        with self._lock:
            self._maps, self._flat = {}, {}

    @property
    def nbytes(self) -> int:
        """Size of all files that are mapped."""
        return sum(state.size for state, _ in self._maps.values())

    def _seen(self, stored: StoredTensor) -> torch.Tensor:
        _, held = self._map(stored.file)
        dtype, item = getattr(torch, stored.dtype), ITEM_BYTES[CODES[stored.dtype]]
        if stored.start + stored.nbytes > len(held):
            raise MergeError(f"{stored.file} ended before {stored.name}; it was changed or cut since it was opened.")
        if not stored.count:
            return torch.empty(0, dtype=dtype)
        if stored.start % item:  # the format allows it, processors do not like it
            data = bytearray(held[stored.start : stored.start + stored.nbytes])
            return torch.frombuffer(data, dtype=dtype)
        return torch.frombuffer(held, dtype=dtype, count=stored.count, offset=stored.start)

    def _map(self, file: Path) -> tuple[FileState, mmap.mmap]:
        if file not in self._maps:
            try:
                with open_model_file(file) as descriptor:
                    status = os.fstat(descriptor)
                    # Private, not read-only: torch has no tensors that cannot be written to, and the file stays as it is.
                    held = mmap.mmap(descriptor, 0, access=mmap.ACCESS_COPY)
            except CheckpointError as error:
                raise MergeError(str(error)) from error
            except (OSError, ValueError) as error:
                raise MergeError(f"{file} cannot be mapped into memory: {error}.") from error
            self._maps[file] = (FileState.of(status), held)
        return self._maps[file]


def _state(file: Path) -> FileState | None:
    try:
        return FileState.of(os.stat(file))
    except OSError:
        return None
