"""Files of a model that nobody has vetted, read with bounds: which file, how many bytes, how much memory for their JSON.

A name in a folder may be a pipe that never answers, a device that never ends, or a link to somebody's private file whose
contents would travel on with the merge. Links are followed inside the folder and into the blobs of a Hugging Face cache,
which consists of them.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from nbmerge.errors import CheckpointError

ANYWHERE = "NBMERGE_FOLLOW_LINKS"
"""Environment variable; set to 1, links are followed wherever they lead."""
LONGEST_NAME = 255
"""Bytes of a file's name."""
MEMORY = 150_000_000
"""Most bytes that reading and parsing a JSON text may take, as estimated before it is done."""
TOKENIZER_MEMORY = 500_000_000
"""The same for a tokenizer: the largest real ones have 260,000 tokens and half a million merges."""
PER_VALUE = 110
"""Bytes that a parsed value takes at most, for each comma, colon and bracket (a mapping of one entry, CPython 3.10)."""

_FLAGS = getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NONBLOCK", 0)


@contextmanager
def opened(file: Path) -> Iterator[int]:
    """A descriptor to read a file of a model folder with.

    Raises
    ------
    CheckpointError
        When it is not there, not an ordinary file, or a link out of the folder.
    """
    try:
        _stays_inside(file)
        descriptor = os.open(file, os.O_RDONLY | _FLAGS)  # a pipe would make us wait, and is refused below
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{file} cannot be read: {getattr(error, 'strerror', None) or error}.") from error
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise CheckpointError(f"{file} is not an ordinary file. Do not use this model.")
        yield descriptor
    finally:
        os.close(descriptor)


def is_name(name: str) -> bool:
    """Whether a text can be the name of a file in a folder, and not a way out of it."""
    ordinary = name not in ("", ".", "..") and not set(name) & {"/", "\\", "\0"} and Path(name).name == name
    return ordinary and not _broken(name) and len(name.encode()) <= LONGEST_NAME


def _stays_inside(file: Path) -> None:
    if not file.is_symlink() or os.environ.get(ANYWHERE) == "1":
        return
    real, folder = file.resolve(), file.parent.resolve()
    blobs = real.parent.name == "blobs" and real.parent.parent.name.startswith(("models--", "datasets--", "spaces--"))
    if not (blobs or real.is_relative_to(folder)):
        raise CheckpointError(
            f"{file} is a link to {real}, outside its folder. Put the file itself there, or set {ANYWHERE}=1 if you "
            "made the link."
        )


def read_all(descriptor: int, count: int) -> bytearray:
    """Up to `count` bytes, however few come at a time; fewer only at the file's end."""
    data, done = bytearray(count), 0
    with open(descriptor, "rb", buffering=0, closefd=False) as file:
        while done < count and (got := file.readinto(memoryview(data)[done:])):
            done += got
    del data[done:]
    return data


def read_bytes(file: Path, most: int = MEMORY // 2) -> bytearray:
    """All of a file of at most so many bytes.

    Raises
    ------
    CheckpointError
        When it is larger, not there, or not to be read.
    """
    with opened(file) as descriptor:
        try:
            size = os.fstat(descriptor).st_size
            if size <= most:
                return read_all(descriptor, size)
        except OSError as error:
            raise CheckpointError(f"{file} cannot be read: {error.strerror or error}.") from error
    raise CheckpointError(f"{file} is {size:,} bytes long, which it never is in a real model. Download it again.")


def read_object(file: Path, memory: int = MEMORY) -> dict[str, Any]:
    """A file's JSON object.

    Raises
    ------
    CheckpointError
        When the file is not there or not to be read, and when its text is no JSON object or would take too much memory.
    """
    raw = read_bytes(file, memory // 2)
    try:
        return parsed(raw, memory)
    except ValueError as error:
        raise CheckpointError(f"{file} cannot be read as JSON: {error!s:.200}. Download or copy it again.") from error


def parsed(raw: bytes | bytearray, memory: int = MEMORY) -> dict[str, Any]:
    """A JSON object from a text in UTF-8.

    Raises
    ------
    ValueError
        When it is none, names something twice, is nested too deeply, or would take more than `memory`.
    """
    characters = len(raw) * (1 if raw.isascii() else 4)
    values = sum(map(raw.count, (b",", b":", b"[", b"{")))
    if len(raw) + characters + values * PER_VALUE > memory:
        raise ValueError(f"{len(raw):,} bytes with {values:,} values are more than any real model has")
    try:
        text = raw.decode("utf-8")
        data = json.loads(text, object_pairs_hook=_once)
    except UnicodeDecodeError as error:
        raise ValueError(f"byte {error.start:,} is no text in UTF-8") from error
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    if not isinstance(data, dict):
        raise ValueError("it is not a JSON object")
    return data


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name occurs twice")
    if any(map(_broken, found)):
        raise ValueError("a name holds half a character")
    return found


def _broken(name: str) -> bool:
    """Whether a name holds a lone surrogate, which no file could be written with."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return True
    return False
