"""What is in one folder: which of its folders are models, and which can be opened."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from nbmerge.checkpoints.folders.found import (
    MOST_ENTRIES,
    FoundModel,
    explain,
    is_folder,
    is_text,
    judge,
    list_files,
    open_folder,
    read_entries,
)

MOST_LISTED = 300
"""Most folders that are listed: models first, then by name."""


@dataclass(frozen=True)
class Entry:
    """A folder in the folder that is listed.

    Parameters
    ----------
    path : Path
    found : FoundModel or None
        None where it does not look like a model, or was not looked into.
    target : str
        Where a link leads; empty where it is none.
    can_open : bool
        Whether there may be more in it: an ordinary folder, or a model with folders in it, such as earlier checkpoints.
    """

    path: Path
    found: FoundModel | None = None
    target: str = ""
    can_open: bool = True


@dataclass(frozen=True)
class Listing:
    """What is in a folder.

    Parameters
    ----------
    folder : Path
    found : FoundModel or None
        The folder itself, where it is or looks like a model.
    entries : tuple of Entry
        The folders in it: models, adapters, ordinary folders, then what cannot be merged, each by name.
    hidden : int
        Number of folders whose name begins with a dot; they are not listed.
    unnamed : int
        Number of folders that are not listed because their name is not text.
    unseen : int
        Number of listed folders that there was no time to look into.
    left_out : int
        Number of folders that are not listed because there are too many.
    is_complete : bool
        False where the folder has so many files and folders that not all names were read.
    """

    folder: Path
    found: FoundModel | None
    entries: tuple[Entry, ...]
    hidden: int = 0
    unnamed: int = 0
    unseen: int = 0
    left_out: int = 0
    is_complete: bool = True


def list_folder(folder: str | Path, seconds: float = 3.0) -> Listing:
    """List the folders in a folder. Links to folders are looked into, but nothing below them is.

    Parameters
    ----------
    folder : path
    seconds : float
        When they are over, the remaining folders are listed without having been looked into.

    Raises
    ------
    CheckpointError
        When it is not a folder, or cannot be read.
    """
    end = time.monotonic() + seconds
    root, inside = open_folder(folder)
    folders = [entry for entry in inside if is_folder(entry)]
    shown = [entry for entry in folders if not entry.name.startswith(".")]
    named = [entry for entry in shown if is_text(entry.name)]
    entries, unseen = _look_into(named, end)
    return Listing(
        root, judge(root, list_files(inside)), entries[:MOST_LISTED], hidden=len(folders) - len(shown),
        unnamed=len(shown) - len(named), unseen=unseen, left_out=len(entries[MOST_LISTED:]),
        is_complete=len(inside) < MOST_ENTRIES,
    )  # fmt: skip


def complete_name(folder: Path, start: str, most: int = 50) -> list[str]:
    """Names of the folders in a folder that begin with a text; none where it cannot be read.

    Parameters
    ----------
    folder : Path
    start : str
        Hidden folders are listed where it begins with a dot.
    most : int
    """
    try:
        entries = read_entries(folder)
    except (OSError, ValueError):
        return []
    begun = (e for e in entries if e.name.startswith(start) and e.name.startswith(".") == start.startswith("."))
    return [e.name for e, _ in zip((e for e in begun if is_text(e.name) and is_folder(e)), range(most), strict=False)]


def _look_into(folders: Sequence[os.DirEntry[str]], end: float) -> tuple[tuple[Entry, ...], int]:
    """Entries in the order in which they are listed, and how many were not looked into."""
    entries, unseen = [], 0
    for folder in folders:
        path = Path(folder.path)
        target = os.path.realpath(path) if folder.is_symlink() else ""
        if time.monotonic() > end:
            entries.append(Entry(path, None, target))
            unseen += 1
        else:
            entries.append(_look_at(path, target))
    return tuple(sorted(entries, key=_rank)), unseen


def _look_at(path: Path, target: str) -> Entry:
    try:
        inside = read_entries(path)
    except OSError as error:
        return Entry(path, FoundModel(path, "unusable", f"it cannot be read: {explain(error)}"), target, can_open=False)
    found = judge(path, list_files(inside))
    more = any(is_folder(entry) and not entry.name.startswith(".") for entry in inside)
    return Entry(path, found, target, can_open=found is None or more)


def _rank(entry: Entry) -> tuple[int, str, str]:
    kind = entry.found.kind if entry.found is not None else "folder"
    return ("model", "adapter", "folder", "link", "unusable").index(kind), entry.path.name.casefold(), entry.path.name
