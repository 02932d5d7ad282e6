"""What an unfinished merge has finished: one line per tensor with its checksum, so that the next run can go on.

The first line says what the merge is: its plan, down to the files it reads. A changed recipe, a changed input or another
layout of shards is another merge, and its journal starts afresh. A line is only a claim: after a power cut it may be there
and the tensor's bytes not, so whoever goes on compares the checksum first, and a line that was torn does no harm.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

import nbmerge
from nbmerge.engine.plan import TensorPlan
from nbmerge.errors import MergeError

FORMAT = 2


class Journal:
    """The finished tensors of a merge.

    Parameters
    ----------
    path : Path
        Beside the folder being built, not in it: that folder holds what the result will hold, and can be renamed as it is.
    identity : str
        See `identity`.
    """

    def __init__(self, path: Path, identity: str):
        self.path = path
        self.head = {"format": FORMAT, "merge": identity}
        self.continues = False
        """Whether a run of the same merge was here before."""
        self.finished: dict[str, str] = self._read()
        self._lock = threading.Lock()

    def _read(self) -> dict[str, str]:
        """Checksums by tensor, of the same merge; lines that were cut short or overwritten do not count."""
        try:
            head, *lines = self.path.read_bytes().split(b"\n")
        except OSError:
            return {}
        self.continues = _parsed(head) == self.head
        return dict(_entries(lines)) if self.continues else {}

    def begin(self, kept: Mapping[str, str]) -> None:
        """Write the journal anew, with the tensors that were found sound; the old one holds until the new one is there."""
        fresh = self.path.with_name(self.path.name + "-new")
        fresh.write_bytes(json.dumps(self.head).encode() + b"".join(_line(n, c) for n, c in kept.items()))
        fresh.replace(self.path)
        self.finished = dict(kept)

    def note(self, name: str, checksum: str) -> None:
        """Record a tensor that is completely written."""
        with self._lock:
            with open(self.path, "ab", buffering=0) as file:
                file.write(_line(name, checksum))
            self.finished[name] = checksum

    def remove(self) -> None:
        """The merge is complete; a journal that stays does no harm, as nothing lies where it says."""
        with suppress(OSError):
            self.path.unlink(missing_ok=True)


def _line(name: str, checksum: str) -> bytes:
    """A line's end comes before it, so that a line which a full disk cut short spoils no other."""
    return b"\n" + json.dumps([name, checksum]).encode()


def _parsed(line: bytes) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None


def _entries(lines: Iterable[bytes]) -> Iterator[tuple[str, str]]:
    for entry in map(_parsed, lines):
        if isinstance(entry, list) and list(map(type, entry)) == [str, str]:
            yield entry[0], entry[1]


def identity(tensors: Iterable[TensorPlan], max_shard: int, metadata: Mapping[str, str]) -> str:
    """SHA-256 over all that decides the bytes of the shards: plan, layout, the state of the input files, and versions."""
    made_by = [FORMAT, nbmerge.__version__, torch.__version__]  # another version may round otherwise
    digest = hashlib.sha256(json.dumps([made_by, max_shard, dict(metadata)]).encode())
    files: dict[Path, tuple[int, int] | None] = {}
    for tensor in tensors:
        digest.update(json.dumps(_described(tensor), sort_keys=True).encode())
        files.update((leaf.file, leaf.state) for leaf in tensor.leaves())
    for file, planned in sorted(files.items()):
        try:
            found = file.stat()
        except OSError as error:
            raise MergeError(
                f"the input {file} is gone: {error.strerror or error}. Put it back and run the merge again."
            ) from error
        if planned not in (None, (found.st_size, found.st_mtime_ns)):
            raise MergeError(f"the input {file} was changed after the merge was planned. Plan and merge again.")
        digest.update(f"{file}\0{found.st_size}\0{found.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def _described(tensor: TensorPlan) -> dict:
    inputs = [_input(i) for i in tensor.inputs]
    return {
        "name": tensor.name, "dtype": tensor.dtype, "shape": tensor.shape, "method": tensor.method, "inputs": inputs,
        "values": asdict(tensor.values),
    }  # fmt: skip


def _input(source) -> dict | list:
    """An input of whatever kind, down to the stored tensors."""
    if isinstance(source, TensorPlan):
        return _described(source)
    if hasattr(source, "described"):
        return [source.described(), *map(_input, source.sources)]
    return [source.name, str(source.file), source.start, source.dtype]
