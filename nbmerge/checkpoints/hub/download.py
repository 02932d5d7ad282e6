"""The download of weights: those files that are needed, to be stopped at any time, and to go on from there.

huggingface_hub throws away what an interrupted download has got, so the bytes are fetched here, into a file beside their
final place in its cache, and compared with the checksum that the Hub has of them. Laying out the cache is left to it.
"""

from __future__ import annotations

import os
import queue
import shutil
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from nbmerge.checkpoints import header
from nbmerge.checkpoints.hub import http
from nbmerge.checkpoints.hub.http import interruptions
from nbmerge.checkpoints.hub.interruptible import STOPPED, pause, raise_if_stopped, stopped_by
from nbmerge.checkpoints.hub.layout import RESERVE, blob_of, is_whole, link, name_branch, new_digest
from nbmerge.checkpoints.hub.messages import refused
from nbmerge.checkpoints.hub.ranges import stream
from nbmerge.checkpoints.hub.snapshot import RemoteFile, Snapshot, remote, snapshot_of
from nbmerge.errors import CheckpointError, MergeStopped, NbmergeError, OutputError

if TYPE_CHECKING:
    from nbmerge.typing import StopSignal

FILES_AT_ONCE = 4
TRIES = 5
"""Attempts in a row that bring nothing before a download is given up."""
MOST_ATTEMPTS, PROGRESS = 50, 10_000_000
"""Attempts at a file, and bytes for each of which there is one more: a network may fail often, but has to bring something."""
TELL_EVERY = 0.05
"""Seconds between two reports."""
KEPT = "What has come is kept; run it again to go on from there."

Report = Callable[[str, int, int, int], None]
"""``(file, files done, bytes done, bytes)``; called from the thread that called `fetch`."""


@dataclass(frozen=True)
class Missing:
    """A weights file that is not here yet.

    Parameters
    ----------
    snapshot : Snapshot
    file : Path
        Where it will lie.
    """

    snapshot: Snapshot
    file: Path

    @property
    def listed(self) -> RemoteFile:
        """What the Hub says of it."""
        return self.snapshot.files[self.file.name]

    @property
    def blob(self) -> Path:
        """Where the cache keeps its bytes."""
        return blob_of(self.snapshot.folder, self.listed)

    @property
    def partial(self) -> Path:
        """Where an unfinished download keeps them."""
        return self.blob.with_name(f"{self.blob.name}.nbmerge.incomplete")

    @property
    def left(self) -> int:
        """Bytes still to be downloaded."""
        if is_whole(self.blob, self.listed):
            return 0
        return max(0, self.listed.size - (self.partial.stat().st_size if self.partial.is_file() else 0))


def missing(files: Iterable[Path]) -> list[Missing]:
    """Those of these files that are not here and that the Hub has."""
    absent = [f for f in dict.fromkeys(files) if remote(f) is not None and not f.is_file()]
    return [Missing(snapshot_of(f.parent), f) for f in absent]


def fetch(files: Iterable[Path], report: Report | None = None, cancel: StopSignal | None = None) -> None:
    """Download those of these files that are not here.

    Parameters
    ----------
    files : iterable of Path
        Files of stored tensors, from wherever.
    report : callable, optional
        See `Report`.
    cancel : StopSignal, optional
        Set it to stop; what has come is kept, and the next download of the file goes on from there.

    Raises
    ------
    MergeStopped
        When `cancel` was set.
    CheckpointError
        When the Hub does not give a file, or other bytes than it says.
    OutputError
        When the disk of the cache is too small.
    """
    absent = missing(files)
    if not absent:
        return
    check_disk(absent)
    work = _Work(absent)
    workers = [threading.Thread(target=work.go, name=f"nbmerge-fetch-{i}", daemon=True) for i in range(FILES_AT_ONCE)]
    for worker in workers:
        worker.start()
    try:
        while any(w.is_alive() for w in workers):
            if cancel is not None and cancel.is_set():
                raise MergeStopped(STOPPED)
            raise_if_stopped()
            if time.monotonic() - work.touched > 2 * http.PATIENCE:
                raise CheckpointError(f"nothing has come from the Hub for {2 * http.PATIENCE:,.0f} s. {KEPT}")
            work.tell(report)
            work.moved.wait(TELL_EVERY)
    finally:
        work.stop.set()  # they are left to end by themselves: a network that stands still must not hold us
    if work.errors:
        raise work.errors[0]
    work.tell(report)
    _name_branches(absent)


def check_disk(absent: Iterable[Missing], more: int = 0) -> None:
    """Refuse a download that the disk of the cache has no room for, and for `more` bytes that will come there as well."""
    absent = list(absent)
    needed = sum(m.left for m in absent)
    folder = absent[0].snapshot.folder
    free = shutil.disk_usage(folder).free
    also = f" and the result {more / 1e9:,.2f} GB" if more else ""
    if needed and free < needed + more + RESERVE:
        raise OutputError(
            f"the disk of the Hugging Face cache ({folder.parent.parent.parent}) has {free / 1e9:,.2f} GB free and the "
            f"download needs {needed / 1e9:,.2f} GB{also}. Free some space, or set HF_HUB_CACHE to another disk."
        )


class _Work:
    """Files to be downloaded, shared by the workers, with their count of what is done."""

    def __init__(self, absent: list[Missing]):
        self.todo: queue.SimpleQueue[Missing] = queue.SimpleQueue()
        for item in absent:
            self.todo.put(item)
        self.total, self.done, self.files_done, self.name = sum(m.left for m in absent), 0, 0, ""
        self.stop, self.moved, self.errors = threading.Event(), threading.Event(), []
        self.touched = time.monotonic()
        self._lock = threading.Lock()

    def go(self) -> None:
        """Download one file after another, until there are none or somebody stops."""
        try:
            with stopped_by(self.stop):
                while not self.stop.is_set():
                    item = self.todo.get_nowait()
                    with self._lock:
                        self.name = item.file.name
                    _download(item, self)
                    with self._lock:
                        self.files_done += 1
        except queue.Empty:
            pass
        except BaseException as error:
            self.errors.append(error)
            self.stop.set()
        finally:
            self.moved.set()

    def add(self, count: int) -> None:
        """Note bytes that have come; a negative number where they have to come again."""
        with self._lock:
            self.done += count
            self.touched = time.monotonic()
        if self.stop.is_set():
            raise MergeStopped(STOPPED)

    def tell(self, report: Report | None) -> None:
        """Say how far it is."""
        self.moved.clear()
        with self._lock:
            state = self.name, self.files_done, self.done, self.total
        if report is not None:
            report(*state)


def _download(item: Missing, work: _Work) -> None:
    snapshot, name = item.snapshot, item.file.name
    try:
        item.blob.parent.mkdir(parents=True, exist_ok=True)
        with _alone(item, work):
            if not is_whole(item.blob, item.listed):
                _bring(item, work)
                _compare(item, work)
                os.replace(item.partial, item.blob)
            link(snapshot.folder, name, item.blob)  # these very bytes, whatever the Hub would say by now
        _compare_headers(item)
    except NbmergeError:
        raise
    except Exception as error:  # of huggingface_hub, of the library below it, of the file system
        if isinstance(error, OSError) and error.errno is not None:
            raise OutputError(
                f"{item.partial.parent} could not be written: {error.strerror or error}. {KEPT}"
            ) from error
        raise refused(error, snapshot.repo_id, snapshot.commit, name, KEPT) from error


def _bring(item: Missing, work: _Work) -> None:
    """Fill the partial file, from where it ends."""
    size, failures = item.listed.size, 0
    attempts = iter(range(MOST_ATTEMPTS + size // PROGRESS))
    with open(item.partial, "ab") as file:
        if file.tell() > size:
            file.seek(file.truncate(0))
        while file.tell() < size:
            before = file.tell()
            try:
                with stream(item.snapshot, item.file.name, before, size) as (partial, pieces):
                    if before and not partial:  # the whole file comes again
                        file.seek(file.truncate(0))
                        work.add(-before)
                    for piece in pieces:
                        work.add(file.write(piece[: size - file.tell()]))
                        if file.tell() >= size:
                            break  # whatever else is sent is not asked for
            except interruptions():
                if failures >= TRIES:
                    raise
            failures = 0 if file.tell() > before else failures + 1
            if failures > TRIES or next(attempts, None) is None:
                raise CheckpointError(f"the Hub ends {item.file.name} of {item.snapshot.name} before its end.")
            if failures:
                pause(min(2 ** (failures - 1) / 4, 4))


def _compare(item: Missing, work: _Work) -> None:
    """Refuse bytes that are not those whose checksum the Hub has."""
    size, listed = item.partial.stat().st_size, item.listed
    digest = new_digest(listed)
    with open(item.partial, "rb") as file:
        while piece := file.read(1 << 22):
            digest.update(piece)
            work.add(0)
    if size != listed.size or digest.hexdigest() != listed.digest:
        item.partial.unlink()
        raise CheckpointError(
            f"{item.file.name} of {item.snapshot.name} arrived damaged: its checksum is not the one the Hub has. "
            "It was thrown away; run it again to download it anew."
        )


def _compare_headers(item: Missing) -> None:
    """Refuse a file whose header is another than the one that the plan was made from."""
    if item.file.suffix != ".safetensors":
        return
    planned = item.snapshot.headers([item.file.name])[item.file.name]
    if header.read_header(item.file) != planned:
        raise CheckpointError(
            f"{item.file.name} of {item.snapshot.name} has another header than the Hub first gave. Plan again."
        )


@contextmanager
def _alone(item: Missing, work: _Work) -> Iterator[None]:
    """Keep other processes, and what is left of a stopped download, from the same partial file."""
    repo = item.snapshot.folder.parent.parent
    path = repo.parent / ".locks" / repo.name / f"{item.blob.name}.nbmerge.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path)
    while True:
        try:
            lock.acquire(timeout=TELL_EVERY)
            break
        except Timeout:
            work.add(0)
    try:
        yield
    finally:
        lock.release()


def _name_branches(absent: Iterable[Missing]) -> None:
    """Let the cache know which commit a branch was at, so that it is found by its name without a network."""
    for snapshot in {m.snapshot.folder: m.snapshot for m in absent}.values():
        if snapshot.branch is not None:
            with suppress(OSError):  # a convenience; the weights are here
                name_branch(snapshot.folder, snapshot.branch)
