"""What an unfinished merge has finished: one line per tensor with its checksum, so that the next run can go on.

The first line says what the merge is: its plan, down to the files it reads. A changed recipe, a changed input or another
layout of shards is another merge, and its journal starts afresh; so does one of a process that rounded otherwise, because a
result of both would be nobody's. A line is only a claim: after a power cut it may be there and the tensor's bytes not, so
whoever goes on compares the checksum first, and a line that was torn does no harm. The last line names the folder that is
about to get the output's name: where it has it, the merge is complete, and what else lies beside it is left over.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from nbmerge.checkpoints.file_state import FileState
from nbmerge.engine.compute.arithmetic import RECORD, arithmetic, difference
from nbmerge.engine.compute.positioned_io import BINARY
from nbmerge.engine.output.direct_io import NO_LINK
from nbmerge.engine.planning.plans import TensorPlan
from nbmerge.errors import MergeError

FORMAT = 3
PLACED = "placed"


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
        self.head = {"format": FORMAT, "merge": identity, RECORD: arithmetic()}
        self.continues = False
        """Whether a run of the same merge was here before."""
        self.notes: Counter[str] = Counter()
        """What the user should know of a run before this one, with the number of tensors."""
        self.finished: dict[str, str] = self._read()
        self._lock = threading.Lock()

    def _read(self) -> dict[str, str]:
        """Checksums by tensor, of the same merge; lines that were cut short or overwritten do not count."""
        head, *lines = _own_file(self.path).split(b"\n")
        before = _parsed(head)
        self.continues = before == self.head
        if self.continues:
            return dict(_entries(lines))
        if isinstance(before, dict) and {**before, RECORD: None} == {**self.head, RECORD: None}:
            self._discard(before[RECORD], len(dict(_entries(lines))))
        return {}

    def _discard(self, then: Any, count: int) -> None:
        """Say that finished tensors are made again, because they were rounded otherwise."""
        then = then if isinstance(then, dict) else {}
        what = difference({str(k): str(v) for k, v in then.items()}, self.head[RECORD])
        if count:
            self.notes[f"made again, because the unfinished merge was rounded otherwise ({what})"] = count

    def begin(self, kept: Mapping[str, str]) -> None:
        """Write the journal anew, with the tensors that were found sound; the old one holds until the new one is there."""
        fresh = self.path.with_name(self.path.name + "-new")
        fresh.unlink(missing_ok=True)
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | NO_LINK | BINARY, 0o666)
        with open(descriptor, "wb") as file:
            file.write(json.dumps(self.head).encode() + b"".join(_line([n, c]) for n, c in kept.items()))
        fresh.replace(self.path)
        self.finished = dict(kept)

    def note(self, name: str, checksum: str) -> None:
        """Record a tensor that is completely written."""
        with self._lock:
            self._append([name, checksum])
            self.finished[name] = checksum

    def announce(self, folder: Path) -> None:
        """Record that this folder is complete, and gets the output's name next."""
        found = os.stat(folder)
        self._append({PLACED: [found.st_dev, found.st_ino]})

    def _append(self, entry: Any) -> None:
        descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | NO_LINK | BINARY, 0o666)
        with open(descriptor, "wb", buffering=0) as file:
            file.write(_line(entry))


def is_placed(journal: Path, out: Path) -> bool:
    """Whether the merge that a journal belongs to is complete: the folder that it announced has the output's name."""
    announced = [
        e[PLACED] for e in map(_parsed, _own_file(journal).split(b"\n")) if isinstance(e, dict) and PLACED in e
    ]
    try:
        found = os.lstat(out)
    except OSError:
        return False
    return bool(announced) and announced[-1] == [found.st_dev, found.st_ino]


def _own_file(path: Path) -> bytes:
    """All of an ordinary file; nothing where there is none, but a link or a pipe in its place."""
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | NO_LINK | BINARY)
    except OSError:
        return b""
    with open(descriptor, "rb") as file:
        return file.read() if stat.S_ISREG(os.fstat(descriptor).st_mode) else b""


def _line(entry: Any) -> bytes:
    """A line's end comes before it, so that a line which a full disk cut short spoils no other."""
    return b"\n" + json.dumps(entry).encode()


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
    """SHA-256 over all that decides the bytes of the shards but the arithmetic: plan, layout, and the state of the input files."""
    digest = hashlib.sha256(json.dumps([FORMAT, max_shard, dict(metadata)]).encode())
    files: dict[Path, FileState | None] = {}
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
        if planned is not None and not planned.agrees_with(FileState.of(found)):
            raise MergeError(f"the input {file} was changed after the merge was planned. Plan and merge again.")
        state = found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns
        digest.update(f"{file}\0{state}\n".encode())  # a date can be set back, a number and the time of that cannot
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
