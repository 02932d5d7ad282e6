"""Find the models in a folder and below it. Nothing but configs and headers is read, and no link is followed."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from nbmerge.checkpoints.folders.found import (
    FoundModel,
    is_folder,
    is_text,
    judge,
    list_files,
    open_folder,
    read_entries,
)

MOST_FOLDERS = 2000
"""Most folders that are looked into."""
MOST_FOUND = 200
"""Most models that are listed."""
DEEPEST = 6
"""Levels of folders below the first."""


@dataclass(frozen=True)
class Scan:
    """What was found.

    Parameters
    ----------
    folder : Path
    models : tuple of FoundModel
        In the order of their paths, those that can be merged first.
    is_complete : bool
        False where a limit was reached before the end.
    """

    folder: Path
    models: tuple[FoundModel, ...]
    is_complete: bool = True


def scan_folder(folder: str | Path, seconds: float = 3.0) -> Scan:
    """List the models in a folder and below it.

    Parameters
    ----------
    folder : path
    seconds : float
        When they are over, the scan ends with what it has found.

    Raises
    ------
    CheckpointError
        When it is not a folder, or cannot be read.
    """
    root, entries = open_folder(folder)
    end, complete = time.monotonic() + seconds, True
    found: list[FoundModel] = []
    for seen, model in enumerate(_walk(root, entries, DEEPEST)):
        if time.monotonic() > end or seen > MOST_FOLDERS or len(found) >= MOST_FOUND:
            complete = False
            break
        if model is not None:
            found.append(model)
    order = {"model": 0, "adapter": 1, "link": 2, "unusable": 3}
    return Scan(root, tuple(sorted(found, key=lambda m: (order[m.kind], str(m.path)))), complete)


def _walk(folder: Path, entries: Sequence[os.DirEntry[str]], levels: int) -> Iterator[FoundModel | None]:
    """What a folder and every one below it is; None for those that are no models."""
    yield judge(folder, list_files(entries))
    for entry in entries:
        if not is_folder(entry) or not is_text(entry.name):
            continue
        path = Path(entry.path)
        if entry.is_symlink():
            target = os.path.realpath(path)
            yield FoundModel(path, "link", f"it is a link to {target}; open it to see what is there")
        elif levels and not entry.name.startswith("."):
            try:
                inside = read_entries(path)
            except OSError:  # not ours to read
                continue
            yield from _walk(path, inside, levels - 1)
