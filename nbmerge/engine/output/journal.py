"""The journal of a merge: one line per finished tensor with its checksum, so that the next run can resume.

The first line identifies the merge by its plan and the files it reads. With a changed recipe, a changed input or another
layout of shards the journal starts over; so it does where the arithmetic rounds differently, because no single machine would
produce a mixture of both. A line is only a claim: after a power cut it may exist without the bytes of the tensor, so their
checksum is compared before they are kept, and a truncated line does no harm. The last line identifies the folder that is about
to be renamed to the output: once it has that name, the merge is complete, and anything else next to it is left over.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from nbmerge.checkpoints.file_state import FileState
from nbmerge.checkpoints.tensor_base import describe_input
from nbmerge.engine.compute.arithmetic import RECORD, difference
from nbmerge.engine.compute.positioned_io import BINARY
from nbmerge.engine.output.direct_io import NO_LINK
from nbmerge.engine.planning.plans import TensorPlan
from nbmerge.errors import MergeError

FORMAT = 3
PLACED = "placed"


class Journal:
    """Records the finished tensors of a merge.

    Parameters
    ----------
    path : Path
        Next to the folder being built, not in it, so that the folder can be renamed as it is.
    identity : str
        See `identity`.
    rounding : dict of str to str
        How the tensors are rounded, see `nbmerge.engine.compute.arithmetic`.
    """

    def __init__(self, path: Path, identity: str, rounding: Mapping[str, str]):
        self.path = path
        self.head: dict[str, Any] = {"format": FORMAT, "merge": identity, RECORD: dict(rounding)}
        self.continues = False
        """Whether an earlier run of the same merge can be resumed."""
        self.notes: Counter[str] = Counter()
        """Remarks about an earlier run, each with the number of tensors."""
        self.finished: dict[str, str] = self._read()
        self._lock = threading.Lock()

    def _read(self) -> dict[str, str]:
        """Checksums by tensor of the same merge; damaged lines are skipped."""
        head, *lines = _own_file(self.path).split(b"\n")
        before = _parsed(head)
        self.continues = before == self.head
        if self.continues:
            return dict(_entries(lines))
        if isinstance(before, dict) and {**before, RECORD: None} == {**self.head, RECORD: None}:
            self._discard(before[RECORD], len(dict(_entries(lines))))
        return {}

    def _discard(self, then: Any, count: int) -> None:
        """Note that finished tensors are computed again because they were rounded differently."""
        then = then if isinstance(then, dict) else {}
        what = difference({str(k): str(v) for k, v in then.items()}, self.head[RECORD])
        if count:
            self.notes[f"computed again, because the unfinished merge rounded differently ({what})"] = count

    def begin(self, finished: Mapping[str, str]) -> None:
        """Replace the journal by one with the tensors whose checksums matched."""
        fresh = self.path.with_name(self.path.name + "-new")
        fresh.unlink(missing_ok=True)
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | NO_LINK | BINARY, 0o666)
        with open(descriptor, "wb") as file:
            file.write(json.dumps(self.head).encode() + b"".join(_line([n, c]) for n, c in finished.items()))
        fresh.replace(self.path)
        self.finished = dict(finished)

    def note(self, name: str, checksum: str) -> None:
        """Record a tensor that was completely written."""
        with self._lock:
            self._append([name, checksum])
            self.finished[name] = checksum

    def announce(self, folder: Path) -> None:
        """Record that this folder is complete and about to be renamed to the output."""
        found = os.stat(folder)
        self._append({PLACED: [found.st_dev, found.st_ino]})

    def _append(self, entry: Any) -> None:
        descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | NO_LINK | BINARY, 0o666)
        with open(descriptor, "wb", buffering=0) as file:
            file.write(_line(entry))


def is_placed(journal: Path, out: Path) -> bool:
    """Whether the merge of a journal is complete: the folder that it announced is at the output path."""
    announced = [
        e[PLACED] for e in map(_parsed, _own_file(journal).split(b"\n")) if isinstance(e, dict) and PLACED in e
    ]
    try:
        found = os.lstat(out)
    except OSError:
        return False
    return bool(announced) and announced[-1] == [found.st_dev, found.st_ino]


def _own_file(path: Path) -> bytes:
    """The contents of a regular file; empty where there is no file, or a link or a pipe instead."""
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | NO_LINK | BINARY)
    except OSError:
        return b""
    with open(descriptor, "rb") as file:
        return file.read() if stat.S_ISREG(os.fstat(descriptor).st_mode) else b""


def _line(entry: Any) -> bytes:
    """Encode an entry, with the line break first, so that a truncated line does not damage the next one."""
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
    """SHA-256 of what determines the bytes of the shards, apart from the arithmetic: plan, layout, and state of the input files."""
    digest = hashlib.sha256(json.dumps([FORMAT, max_shard, dict(metadata)]).encode())
    files: dict[Path, FileState | None] = {}
    for tensor in tensors:
        digest.update(json.dumps(describe_input(tensor), sort_keys=True).encode())
        files.update((leaf.file, leaf.state) for leaf in tensor.leaves())
    for file, planned in sorted(files.items()):
        try:
            found = file.stat()
        except OSError as error:
            raise MergeError(
                f"the input {file} cannot be read: {error.strerror or error}. Restore it and run the merge again."
            ) from error
        if planned is not None and not planned.agrees_with(FileState.of(found)):
            raise MergeError(f"the input {file} was modified after the merge was planned. Plan and merge again.")
        state = found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns
        digest.update(f"{file}\0{state}\n".encode())  # a modification time can be set back, a change time cannot
    return digest.hexdigest()
