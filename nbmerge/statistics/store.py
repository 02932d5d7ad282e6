"""A cache of statistics on disk, so that models are measured only once.

They are found by what they were made from: the shapes and places of all tensors, and the state of every file, which is its
real path, size, time of change (also that of the inode, which no program can set back), and the bytes at its beginning and
at 64 places spread over it. Hashing all of it would take as long as measuring. A file of the Hugging Face cache lies under
the hash of its content anyway.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import xxhash

from nbmerge.cache_folder import cache_folder
from nbmerge.engine.planning import TensorPlan
from nbmerge.errors import CheckpointError
from nbmerge.guarded_files import open_model_file

Arrays = dict[str, np.ndarray]
FORMAT = 3
"""Part of every key: raise it whenever anything is measured otherwise."""
MOST = 64_000_000
"""Bytes that are kept, the least recently used leaving first; 1 MB is about 400 tensors of three models."""
HEAD, PIECE, PIECES = 1 << 16, 1 << 12, 64


def default_folder() -> Path | None:
    """Where a user's caches lie, None where the environment asks for no cache."""
    return cache_folder("statistics")


def recall(
    cache: bool | str | Path,
    tensors: Sequence[TensorPlan],
    what: str,
    shapes: Callable[[Mapping[str, np.ndarray]], Mapping[str, tuple[int, ...]]],
    measure: Callable[[], Arrays],
) -> tuple[Arrays, bool]:
    """Arrays from the cache, or else measured and cached.

    Parameters
    ----------
    cache : bool or path
        Whether to use the cache, or its folder.
    tensors : sequence of TensorPlan
        What is measured.
    what : str
        How it is measured: the name of the measurement, and its parameters.
    shapes : callable
        The shapes that cached arrays must have, from the arrays; damaged files may have anything.
    measure : callable

    Returns
    -------
    (dict of str to ndarray, bool)
        And whether they are from the cache.
    """
    folder = default_folder() if cache is True else None if cache is False else Path(cache)
    store = None if folder is None else Store(folder)
    key = None if store is None else key_of(tensors, what)
    if store is not None and key is not None and (known := store.load(key)) is not None and _fit(known, shapes):
        return known, True
    found = measure()
    if store is not None and (now := key_of(tensors, what)) is not None and key in (now, None):
        store.save(now, found)  # no file was changed while it was read; what was downloaded just now had no key before
    return found, False


def _fit(arrays: Arrays, shapes: Callable[[Mapping[str, np.ndarray]], Mapping[str, tuple[int, ...]]]) -> bool:
    try:
        wanted = shapes(arrays)
    except (KeyError, TypeError, ValueError):
        return False
    return {name: array.shape for name, array in arrays.items()} == dict(wanted)


class Store:
    """Arrays in a folder, one file for each measurement.

    Nothing that goes wrong with it is an error: without it, models are measured again.
    """

    def __init__(self, folder: Path):
        self.folder = folder

    def load(self, key: str) -> Arrays | None:
        """The arrays of a key, None where there are none or their file is damaged."""
        file = self.folder / f"{key}.npz"
        try:
            with open(file, "rb") as opened, np.load(opened, allow_pickle=False) as found:
                arrays = {name: found[name] for name in found.files}
            os.utime(file)  # used just now
        except Exception:  # zipfile, zlib, struct and numpy each have their own errors for damaged files
            return None
        return arrays if all(array.dtype in (np.float64, np.int64) for array in arrays.values()) else None

    def save(self, key: str, arrays: Arrays) -> None:
        """Keep arrays, all or none."""
        with suppress(OSError):
            self.folder.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(dir=self.folder, suffix=".part")
            try:
                with os.fdopen(handle, "wb") as file:
                    np.savez(file, **arrays)  # type: ignore[arg-type]  # mypy takes the names for another parameter
                os.replace(name, self.folder / f"{key}.npz")
            except BaseException:
                os.unlink(name)
                raise
            self._prune()

    def _prune(self) -> None:
        """Let those go that were not used for longest, and what a killed process left."""
        held = [
            (f.stat().st_mtime, f.stat().st_size, f) for f in self.folder.iterdir() if f.suffix in (".npz", ".part")
        ]
        total = 0
        for _, size, file in sorted(held, reverse=True):
            total += size
            if total > MOST:
                file.unlink(missing_ok=True)


def key_of(tensors: Iterable[TensorPlan], what: str = "") -> str | None:
    """The key of what is measured of these tensors; None if a file cannot be read."""
    digest = xxhash.xxh3_128(f"{FORMAT} {what}".encode())
    files: dict[Path, None] = {}
    for tensor in tensors:
        digest.update(f"{tensor.name}\0{tensor.shape}\0".encode())
        for source in tensor.inputs:
            digest.update(_described(source).encode())
            files |= dict.fromkeys(leaf.file for leaf in source.leaves())
    try:
        for file in files:
            _add_state(digest, file)
    except (OSError, CheckpointError):
        return None
    return digest.hexdigest()


def _described(source: Any) -> str:
    """An input, down to the stored tensors."""
    own = source.described() if hasattr(source, "described") else [source.name, str(source.file), source.start]
    below = "".join(map(_described, source.sources)) if hasattr(source, "sources") else ""
    return f"{own}{source.dtype}{source.shape}({below})"


def _add_state(digest: xxhash.xxh3_128, file: Path) -> None:
    with open_model_file(file) as descriptor, open(descriptor, "rb", closefd=False) as f:
        stat = os.fstat(f.fileno())
        digest.update(f"{file.resolve()}\0{stat.st_size}\0{stat.st_mtime_ns}\0{stat.st_ctime_ns}\0".encode())
        digest.update(f.read(HEAD))
        for i in range(1, PIECES + 1):
            f.seek(max(0, (stat.st_size - PIECE) * i // PIECES))
            digest.update(f.read(PIECE))
