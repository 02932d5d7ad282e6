"""Find the models in a folder and below it. Nothing but configs and headers is read, and no link is followed."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from nbmerge.checkpoints.checkpoint import Checkpoint
from nbmerge.errors import CheckpointError

MOST_FOLDERS = 2000
"""Most folders that are looked into."""
MOST_FOUND = 200
"""Most models that are listed."""
DEEPEST = 6
"""Levels of folders below the first."""
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
        A link to a folder is listed, and not followed.
    reason : str
        Why it cannot be merged; empty for a model.
    checkpoint : Checkpoint or None
        A model, opened.
    """

    path: Path
    kind: Kind
    reason: str = ""
    checkpoint: Checkpoint | None = None


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
    try:
        root = Path(folder).expanduser()
        if not root.is_dir():
            raise CheckpointError(f"{root} is not a folder. Check the path.")
        os.listdir(root)
    except (OSError, RuntimeError, ValueError) as error:
        if isinstance(error, CheckpointError):
            raise
        why = getattr(error, "strerror", None) or error
        raise CheckpointError(f"'{folder!s:.200}' cannot be read: {why}.") from error
    end, complete = time.monotonic() + seconds, True
    found: list[FoundModel] = []
    for seen, (path, names) in enumerate(_walk(root, DEEPEST)):
        if time.monotonic() > end or seen > MOST_FOLDERS or len(found) >= MOST_FOUND:
            complete = False
            break
        if (model := _judge(path, names)) is not None:
            found.append(model)
    order = {"model": 0, "adapter": 1, "link": 2, "unusable": 3}
    return Scan(root, tuple(sorted(found, key=lambda m: (order[m.kind], str(m.path)))), complete)


def _walk(folder: Path, levels: int) -> Iterator[tuple[Path, list[str] | None]]:
    """Every folder with the names of its files; a link to a folder with None."""
    try:
        with os.scandir(folder) as entries:
            listed = sorted(entries, key=lambda e: e.name)
    except OSError:  # not ours to read
        return
    yield folder, [e.name for e in listed if not e.is_dir()]
    for entry in listed:
        if entry.is_symlink() and entry.is_dir():
            yield Path(entry.path), None
        elif entry.is_dir(follow_symlinks=False) and levels and not entry.name.startswith("."):
            yield from _walk(Path(entry.path), levels - 1)


def _judge(path: Path, names: list[str] | None) -> FoundModel | None:
    """What a folder is; None where it does not even look like a model."""
    if names is None:
        target = os.path.realpath(path)
        return FoundModel(path, "link", f"it is a link to {target}; enter that path to add it")
    if "config.json" not in names and "adapter_config.json" in names:
        return FoundModel(path, "adapter", "it is an adapter; add it to the model that it was made for")
    if "config.json" not in names:
        weights = [name for name in names if name.endswith(WEIGHTS)]
        return FoundModel(path, "unusable", f"it has {weights[0]}, but no config.json") if weights else None
    try:
        return FoundModel(path, "model", "", Checkpoint.open(path))
    except CheckpointError as error:
        return FoundModel(path, "unusable", str(error))
