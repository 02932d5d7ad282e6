"""Downloads of weights: only the files that are needed, which can be stopped at any time and resumed.

huggingface_hub discards the bytes of an interrupted download, so they are fetched here, into a file next to their final path
in its cache, and compared with the checksum on the Hub. The layout of the cache is that of huggingface_hub.
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
from nbmerge.sizes import human

if TYPE_CHECKING:
    from nbmerge.typing import StopSignal

FILES_AT_ONCE = 4
TRIES = 5
"""Attempts in a row without any bytes before a download fails."""
MOST_ATTEMPTS, PROGRESS = 50, 10_000_000
"""Attempts at a file, and bytes that allow one more attempt: a network may fail often, but must make progress."""
TELL_EVERY = 0.05
"""Seconds between two reports."""
KEPT = "Partial downloads are kept. Run again to resume."

Report = Callable[[str, int, int, int], None]
"""``(file, files done, bytes done, bytes)``; called from the thread that called `fetch`."""


@dataclass(frozen=True)
class Missing:
    """A weights file that has not been downloaded.

    Parameters
    ----------
    snapshot : Snapshot
    file : Path
        The path that it will have.
    """

    snapshot: Snapshot
    file: Path

    @property
    def listed(self) -> RemoteFile:
        """Its entry in the listing of the Hub."""
        return self.snapshot.files[self.file.name]

    @property
    def blob(self) -> Path:
        """The path of its bytes in the cache."""
        return blob_of(self.snapshot.root, self.listed)

    @property
    def partial(self) -> Path:
        """The path of an unfinished download."""
        return self.blob.with_name(f"{self.blob.name}.nbmerge.incomplete")

    @property
    def left(self) -> int:
        """Bytes still to be downloaded."""
        if is_whole(self.blob, self.listed):
            return 0
        return max(0, self.listed.size - (self.partial.stat().st_size if self.partial.is_file() else 0))


def missing(files: Iterable[Path]) -> list[Missing]:
    """Those of these files that are on the Hub and have not been downloaded."""
    absent = [f for f in dict.fromkeys(files) if remote(f) is not None and not f.is_file()]
    return [Missing(snapshot, f) for f in absent if (snapshot := snapshot_of(f.parent)) is not None]


def fetch(files: Iterable[Path], report: Report | None = None, cancel: StopSignal | None = None) -> None:
    """Download those of these files that are missing.

    Parameters
    ----------
    files : iterable of Path
        Files of stored tensors; local files are ignored.
    report : callable, optional
        See `Report`.
    cancel : StopSignal, optional
        Set it to stop; partial downloads are kept, and the next download resumes.

    Raises
    ------
    MergeStopped
        When `cancel` was set.
    CheckpointError
        When the Hub does not provide a file, or its checksum does not match.
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
                raise CheckpointError(f"the Hub has not sent any data for {2 * http.PATIENCE:,.0f} s. {KEPT}")
            work.tell(report)
            work.moved.wait(TELL_EVERY)
    finally:
        work.stop.set()  # they end by themselves: a stalled network must not block the caller
    if work.errors:
        raise work.errors[0]
    work.tell(report)
    _name_branches(absent)


def check_disk(absent: Iterable[Missing], more: int = 0) -> None:
    """Refuse a download that does not fit on the disk of the cache together with `more` bytes of output."""
    absent = list(absent)
    needed = sum(m.left for m in absent)
    folder = absent[0].snapshot.root
    free = shutil.disk_usage(folder).free
    also = f" and the merged model {human(more)}" if more else ""
    if needed and free < needed + more + RESERVE:
        raise OutputError(
            f"not enough disk space in the Hugging Face cache ({folder.parent.parent.parent}): the download needs "
            f"{human(needed)}{also}, and {human(free)} are free. Free some space, or set HF_HUB_CACHE to another disk."
        )


class _Work:
    """The queue of files to download, shared by the workers, with a count of what is done."""

    def __init__(self, absent: list[Missing]):
        self.todo: queue.SimpleQueue[Missing] = queue.SimpleQueue()
        for item in absent:
            self.todo.put(item)
        self.total, self.done, self.files_done, self.name = sum(m.left for m in absent), 0, 0, ""
        self.stop, self.moved = threading.Event(), threading.Event()
        self.errors: list[BaseException] = []
        self.touched = time.monotonic()
        self._lock = threading.Lock()

    def go(self) -> None:
        """Download one file after another, until there are none left or the download is stopped."""
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
        """Count bytes that arrived; a negative number where they must be sent again."""
        with self._lock:
            self.done += count
            self.touched = time.monotonic()
        if self.stop.is_set():
            raise MergeStopped(STOPPED)

    def tell(self, report: Report | None) -> None:
        """Report the state."""
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
            link(snapshot.folder, name, item.blob)  # exactly these bytes, even if the Hub has changed by now
        _compare_headers(item)
    except NbmergeError:
        raise
    except Exception as error:  # of huggingface_hub, of the library below it, of the file system
        if isinstance(error, OSError) and error.errno is not None:
            raise OutputError(f"cannot write to {item.partial.parent}: {error.strerror or error}. {KEPT}") from error
        raise refused(error, snapshot.repo_id, snapshot.commit, name, KEPT) from error


def _bring(item: Missing, work: _Work) -> None:
    """Complete the partial file."""
    size, failures = item.listed.size, 0
    attempts = iter(range(MOST_ATTEMPTS + size // PROGRESS))
    with open(item.partial, "ab") as file:
        if file.tell() > size:
            file.seek(file.truncate(0))
        while file.tell() < size:
            before = file.tell()
            try:
                with stream(item.snapshot, item.file.name, before, size) as (partial, pieces):
                    if before and not partial:  # the whole file is sent again
                        file.seek(file.truncate(0))
                        work.add(-before)
                    for piece in pieces:
                        work.add(file.write(piece[: size - file.tell()]))
                        if file.tell() >= size:
                            break  # more was not requested
            except interruptions():
                if failures >= TRIES:
                    raise
            failures = 0 if file.tell() > before else failures + 1
            if failures > TRIES or next(attempts, None) is None:
                raise CheckpointError(
                    f"the Hub repeatedly sent {item.file.name} of {item.snapshot.name} incompletely. {KEPT}"
                )
            if failures:
                pause(min(2 ** (failures - 1) / 4, 4))


def _compare(item: Missing, work: _Work) -> None:
    """Refuse bytes that do not match the checksum on the Hub."""
    size, listed = item.partial.stat().st_size, item.listed
    digest = new_digest(listed)
    with open(item.partial, "rb") as file:
        while piece := file.read(1 << 22):
            digest.update(piece)
            work.add(0)
    if size != listed.size or digest.hexdigest() != listed.digest:
        item.partial.unlink()
        raise CheckpointError(
            f"{item.file.name} of {item.snapshot.name} was damaged in transit: its checksum does not match the one on the Hub. "
            "It was deleted. Run again to download it."
        )


def _compare_headers(item: Missing) -> None:
    """Refuse a file whose header differs from the one that was planned with."""
    if item.file.suffix != ".safetensors":
        return
    planned = item.snapshot.headers([item.file.name])[item.file.name]
    if header.read_header(item.file) != planned:
        raise CheckpointError(
            f"{item.file.name} of {item.snapshot.name} has a different header than the one the Hub sent first. Plan again."
        )


@contextmanager
def _alone(item: Missing, work: _Work) -> Iterator[None]:
    """Lock the partial file against other processes and threads of a stopped download."""
    repo = item.snapshot.root.parent.parent
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
    """Record the commit of each branch in the cache, so that it can be resolved offline."""
    for snapshot in {m.snapshot.root: m.snapshot for m in absent}.values():
        if snapshot.branch is not None:
            with suppress(OSError):  # a convenience; the weights are complete
                name_branch(snapshot.root, snapshot.branch)
