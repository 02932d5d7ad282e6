"""The files that a merge must download before it starts, and the download itself."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from nbmerge.checkpoints import hub
from nbmerge.checkpoints.hub import Missing
from nbmerge.engine.planning.plans import TensorPlan
from nbmerge.errors import MergeStopped
from nbmerge.progress import Event, Listener
from nbmerge.sizes import human

if TYPE_CHECKING:
    from nbmerge.typing import StopSignal


@dataclass(frozen=True)
class Download:
    """The files of one model that must be downloaded.

    Parameters
    ----------
    model : str
        Hub id.
    commit : str
    files : int
    bytes : int
        Not including what an unfinished download has left.
    """

    model: str
    commit: str
    files: int
    bytes: int

    def __str__(self) -> str:
        return f"{human(self.bytes)} of {self.model}@{self.commit[:8]}"


def find_missing(tensors: Iterable[TensorPlan]) -> list[Missing]:
    """The files that these tensors are read from and that are not downloaded yet."""
    if not hub.in_use():
        return []
    return hub.missing(dict.fromkeys(leaf.file for t in tensors for leaf in t.leaves()))


def list_downloads(tensors: Iterable[TensorPlan]) -> tuple[Download, ...]:
    """The downloads for these tensors, by model."""
    by_folder: dict[Path, list[Missing]] = {}
    for item in find_missing(tensors):
        by_folder.setdefault(item.snapshot.folder, []).append(item)
    return tuple(
        Download(items[0].snapshot.repo_id, items[0].snapshot.commit, len(items), sum(i.left for i in items))
        for items in by_folder.values()
    )


def fetch(tensors: Iterable[TensorPlan], progress: Listener | None = None, cancel: StopSignal | None = None) -> None:
    """Download the files that these tensors are read from; usually all of them exist already.

    Parameters
    ----------
    tensors : iterable of TensorPlan
    progress : callable, optional
        Takes an `Event` of the kind "fetching" whenever data arrives.
    cancel : StopSignal, optional
        Set it to stop; the next call resumes.

    Raises
    ------
    MergeStopped, CheckpointError, OutputError
        See `nbmerge.checkpoints.hub.fetch`.
    """
    absent = find_missing(tensors)
    if not absent:
        return
    began = time.perf_counter()
    last = Event("fetching", len(absent), sum(m.left for m in absent))

    def report(file: str, files_done: int, bytes_done: int, total: int) -> None:
        nonlocal last
        last = Event(
            "fetching", len(absent), total, file, files_done, max(0, bytes_done), time.perf_counter() - began
        )  # fmt: skip
        if progress is not None:
            progress(last)

    try:
        hub.fetch((m.file for m in absent), report, cancel)
    except Exception as error:
        if progress is not None:
            progress(replace(last, kind="stopped" if isinstance(error, MergeStopped) else "failed", error=str(error)))
        raise
