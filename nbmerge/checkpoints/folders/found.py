"""What a folder is: judged by the names of its files and, where it is a model, by its config and headers."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Literal

from nbmerge.checkpoints.checkpoint import Checkpoint
from nbmerge.errors import CheckpointError

MOST_ENTRIES = 20_000
"""Most files and folders in a folder that are looked at."""
WEIGHTS = (".safetensors", ".bin", ".gguf", ".pt", ".pth")
"""Endings of files that make a folder without a config worth a remark."""

Kind = Literal["model", "adapter", "unusable", "link"]


@dataclass(frozen=True)
class FoundModel:
    """A folder that is, or looks like, a model.

    Parameters
    ----------
    path : Path
    kind : "model", "adapter", "unusable" or "link"
        A link to a folder is listed by a scan, and not followed.
    reason : str
        Why it cannot be merged; empty for a model.
    checkpoint : Checkpoint or None
        A model, opened.
    """

    path: Path
    kind: Kind
    reason: str = ""
    checkpoint: Checkpoint | None = None


def read_entries(folder: Path) -> list[os.DirEntry[str]]:
    """The first `MOST_ENTRIES` files and folders in a folder, by name; raises `OSError` where it cannot be read."""
    with os.scandir(folder) as entries:
        return sorted(islice(entries, MOST_ENTRIES), key=lambda entry: entry.name)


def open_folder(folder: str | Path) -> tuple[Path, list[os.DirEntry[str]]]:
    """The absolute path of a folder, and what is in it.

    Raises
    ------
    CheckpointError
        When it is not a folder, or cannot be read.
    """
    try:
        path = Path(os.path.abspath(Path(folder).expanduser()))
        if not is_text(str(path)):
            raise CheckpointError(f"{str(path)!r:.300} is not valid UTF-8. Rename the folder.")
        if not path.is_dir():
            raise CheckpointError(f"{str(path)!r:.300} is not a folder. Check the path.")
        return path, read_entries(path)
    except (OSError, RuntimeError, ValueError) as error:  # also the home of an unknown user, and a NUL
        if isinstance(error, CheckpointError):
            raise
        raise CheckpointError(f"{str(folder)!r:.300} cannot be read: {explain(error)}.") from error


def explain(error: BaseException) -> str:
    """Why something cannot be read, without its path."""
    return str(getattr(error, "strerror", None) or error)


def is_folder(entry: os.DirEntry[str]) -> bool:
    """Whether it is a folder or a link to one; a link that leads to itself is none."""
    try:
        return entry.is_dir()
    except OSError:
        return False


def is_text(name: str) -> bool:
    """Whether a name is text. Linux allows any bytes, which neither a recipe nor a browser can take."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def list_files(entries: Sequence[os.DirEntry[str]]) -> list[str]:
    """Names of all but folders."""
    return [entry.name for entry in entries if not is_folder(entry)]


def judge(path: Path, names: Sequence[str]) -> FoundModel | None:
    """What a folder with these files is; None where it does not even look like a model."""
    if "config.json" not in names and "adapter_config.json" in names:
        return FoundModel(path, "adapter", "it is an adapter; add it to the model that it was made for")
    if "config.json" not in names:
        weights = [name for name in names if name.endswith(WEIGHTS)]
        return FoundModel(path, "unusable", f"it has {weights[0]}, but no config.json") if weights else None
    try:
        return FoundModel(path, "model", "", Checkpoint.open(path))
    except CheckpointError as error:
        return FoundModel(path, "unusable", str(error))
