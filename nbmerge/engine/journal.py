"""What an unfinished merge has finished: one line per tensor with its checksum, so that the next run can go on.

The first line says what the merge is: its plan, down to the files it reads. A changed recipe, a changed input or another
layout of shards is another merge, and its journal starts afresh.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path

from nbmerge.engine.plan import TensorPlan
from nbmerge.errors import MergeError

FILE = "nbmerge_journal.jsonl"
FORMAT = 1


class Journal:
    """The finished tensors of a merge in a folder.

    Parameters
    ----------
    folder : Path
        Where the merge is being built.
    identity : str
        See `identity`.
    """

    def __init__(self, folder: Path, identity: str):
        self.path = folder / FILE
        self.head = {"format": FORMAT, "merge": identity}
        self.continues = False
        """Whether a run of the same merge was here before."""
        self.finished: dict[str, str] = self._read()
        self._lock = threading.Lock()

    def _read(self) -> dict[str, str]:
        """Checksums by tensor, of the same merge; a last line that was cut short does not count."""
        try:
            lines = self.path.read_bytes().split(b"\n")[:-1]
            entries = [json.loads(line) for line in lines]
        except (OSError, ValueError):
            return {}
        self.continues = bool(entries) and entries[0] == self.head
        return dict(entries[1:]) if self.continues else {}

    def begin(self, kept: Mapping[str, str]) -> None:
        """Write the journal anew, with the tensors that were found sound."""
        lines = [self.head, *([name, checksum] for name, checksum in kept.items())]
        self.path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
        self.finished = dict(kept)

    def note(self, name: str, checksum: str) -> None:
        """Record a tensor that is completely written."""
        with self._lock, open(self.path, "a", encoding="utf-8") as file:
            file.write(json.dumps([name, checksum]) + "\n")
            self.finished[name] = checksum


def identity(tensors: Iterable[TensorPlan], max_shard: int, metadata: Mapping[str, str]) -> str:
    """SHA-256 over everything that decides the bytes of the shards: plan, layout, and the state of the input files."""
    digest = hashlib.sha256(json.dumps([FORMAT, max_shard, dict(metadata)]).encode())
    files: set[Path] = set()
    for tensor in tensors:
        digest.update(json.dumps(_described(tensor), sort_keys=True).encode())
        files.update(leaf.file for leaf in tensor.leaves())
    for file in sorted(files):
        try:
            state = file.stat()
        except OSError as error:
            raise MergeError(
                f"the input {file} is gone: {error.strerror or error}. Put it back and run the merge again."
            ) from error
        digest.update(f"{file}\0{state.st_size}\0{state.st_mtime_ns}\n".encode())
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
