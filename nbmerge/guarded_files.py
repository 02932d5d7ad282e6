"""The only way to read files of a model folder: with bounds, and guarded against untrusted contents.

A name in a model folder may be a pipe that blocks, a device that never ends, a file of any size, or a link to a private
file whose contents would become part of the merge. Every function here therefore opens the file without blocking, and
checks what was opened, not what the name referred to a moment before: it must be a regular file, be in the folder (or in
the blobs of a Hugging Face cache, whose snapshots consist of links), and be no larger than real files of its kind.
Nothing else in the package opens files of models; a test (``tests/test_guarded_files.py``) ensures that.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

from nbmerge.bounded import MEMORY, TOKENIZER_MEMORY, parsed
from nbmerge.errors import CheckpointError
from nbmerge.sizes import human

FOLLOW_LINKS = "NBMERGE_FOLLOW_LINKS"
"""Environment variable; if it is 1, links are followed wherever they lead."""
LARGEST_COPY = 200_000_000
"""Maximum size in bytes of a file that a merge copies unchanged, such as a tokenizer."""
LARGEST_JSON = MEMORY // 2
"""Maximum size of a JSON file, in bytes."""
LARGEST_TOKENIZER = TOKENIZER_MEMORY // 2
"""Maximum size of a tokenizer.json that is parsed, in bytes."""
LARGEST_TEXT = 16_000_000
"""Maximum size of a chat template, a model card or a recipe, in bytes."""

_SPECIAL = {stat.S_ISFIFO: "a pipe", stat.S_ISSOCK: "a socket", stat.S_ISCHR: "a device", stat.S_ISBLK: "a device",
            stat.S_ISDIR: "a folder"}  # fmt: skip
_LOADED = (".json", ".jinja", ".model", ".txt", ".tiktoken", ".vocab", ".safetensors", ".bin")
"""Endings of the files that transformers may read when it loads a folder."""
_REPOSITORIES = ("models--", "datasets--", "spaces--")
_FLAGS = os.O_RDONLY
for _name in ("O_BINARY", "O_CLOEXEC", "O_NONBLOCK", "O_NOCTTY"):  # a pipe must not block; it is refused below
    _FLAGS |= getattr(os, _name, 0)


@contextmanager
def open_model_file(file: Path, most: int | None = None) -> Iterator[int]:
    """Open a file of a model folder for reading; the descriptor is closed at the end.

    Parameters
    ----------
    file : Path
        Model folder and name.
    most : int, optional
        Maximum size in bytes; weights have no limit.

    Raises
    ------
    CheckpointError
        When it does not exist, is not a regular file, is a link out of the folder, or is too large.
    """
    descriptor = open_descriptor(file, most)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def open_descriptor(file: Path, most: int | None = None) -> int:
    """Like `open_model_file`, but the caller has to close the descriptor."""
    try:
        _refuse_by_name(file)
        descriptor = os.open(file, _FLAGS)
    except (OSError, ValueError) as error:
        if isinstance(error, CheckpointError):
            raise
        raise CheckpointError(f"{file} cannot be read: {getattr(error, 'strerror', None) or error}.") from error
    try:
        _refuse_unsafe(file, descriptor, most)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _refuse_by_name(file: Path) -> None:
    """Refuse what can be refused without opening it, because opening a device or another file may have side effects."""
    if not stat.S_ISREG(mode := os.stat(file).st_mode):
        _refuse_special(file, mode)
    if file.is_symlink() and os.environ.get(FOLLOW_LINKS) != "1":
        _refuse_outside(file, file.resolve())


def _refuse_unsafe(file: Path, descriptor: int, most: int | None) -> None:
    """Check the file that was opened, whatever its name refers to by now."""
    try:
        opened, named = os.fstat(descriptor), os.lstat(file)
        if not stat.S_ISREG(opened.st_mode):
            _refuse_special(file, opened.st_mode)
        if not os.path.samestat(opened, named) and os.environ.get(FOLLOW_LINKS) != "1":
            _refuse_outside(file, _location(file, descriptor))
    except OSError as error:
        raise CheckpointError(f"{file} cannot be read: {error.strerror or error}.") from error
    if most is not None and opened.st_size > most:
        raise CheckpointError(f"{file} has {human(opened.st_size)}, more than in any real model. Download it again.")


def _location(file: Path, descriptor: int) -> Path:
    """Path of the file that was opened: from the system if available, else by its name if that still leads there."""
    try:
        return Path(os.readlink(f"/proc/self/fd/{descriptor}"))
    except OSError:
        real = Path(os.path.realpath(file))
        if not os.path.samestat(os.lstat(real), os.fstat(descriptor)):
            raise OSError(0, "it was replaced while it was opened") from None
        return real


def _refuse_outside(file: Path, real: Path) -> None:
    blobs = real.parent.name == "blobs" and real.parent.parent.name.startswith(_REPOSITORIES)
    if not (blobs or real.is_relative_to(file.parent.resolve())):
        raise CheckpointError(
            f"{file} is a link to {real}, outside its folder. Replace it with the file itself, or set {FOLLOW_LINKS}=1 "
            "if you created the link."
        )


def _refuse_special(file: Path, mode: int) -> NoReturn:
    kind = next((name for test, name in _SPECIAL.items() if test(mode)), "another special file")
    raise CheckpointError(f"{file} is {kind}, not a regular file. Do not use this model.")


def check_model_file(file: Path, most: int | None = None) -> None:
    """Refuse a file as `open_model_file` does, without reading it."""
    with open_model_file(file, most):
        pass


def check_model_folder(folder: Path) -> None:
    """Check every file in a folder that a library is about to load by itself.

    Raises
    ------
    CheckpointError
        As `open_model_file`.
    """
    try:
        with os.scandir(folder) as entries:
            names = sorted(e.name for e in entries if e.name.endswith(_LOADED))
    except OSError as error:
        raise CheckpointError(f"{folder} cannot be read: {error.strerror or error}.") from error
    for name in names:
        if not (folder / name).is_dir():
            check_model_file(folder / name, LARGEST_COPY if name.endswith((".json", ".jinja", ".model")) else None)


def read_all(descriptor: int, count: int) -> bytearray:
    """Read `count` bytes; fewer only at the end of the file."""
    data, done = bytearray(count), 0
    with open(descriptor, "rb", buffering=0, closefd=False) as file:
        while done < count and (got := file.readinto(memoryview(data)[done:])):
            done += got
    del data[done:]
    return data


def read_model_bytes(file: Path, most: int = LARGEST_JSON) -> bytearray:
    """Read a file of at most `most` bytes.

    Raises
    ------
    CheckpointError
        As `open_model_file`.
    """
    with open_model_file(file, most) as descriptor:
        try:
            return read_all(descriptor, os.fstat(descriptor).st_size)
        except OSError as error:
            raise CheckpointError(f"{file} cannot be read: {error.strerror or error}.") from error


def read_model_text(file: Path, most: int = LARGEST_TEXT) -> str:
    """Read a text file in UTF-8.

    Raises
    ------
    CheckpointError
        As `open_model_file`, and when it is not UTF-8.
    """
    try:
        return read_model_bytes(file, most).decode("utf-8")
    except UnicodeDecodeError as error:
        raise CheckpointError(f"{file} is not a text file (byte {error.start:,} is not UTF-8).") from error


def read_model_json(file: Path, memory: int = MEMORY) -> dict[str, Any]:
    """Read a JSON object from a file.

    Raises
    ------
    CheckpointError
        As `open_model_file`, and when the text is not a JSON object or would need more than `memory`.
    """
    raw = read_model_bytes(file, memory // 2)
    try:
        return parsed(raw, memory)
    except ValueError as error:
        raise CheckpointError(f"{file} cannot be read as JSON: {error!s:.200}. Download or copy it again.") from error


def copy_model_file(file: Path, target: Path, most: int = LARGEST_COPY) -> None:
    """Copy a file of a model folder to a new file, with the size that it had when it was opened.

    Raises
    ------
    CheckpointError
        As `open_model_file`.
    OSError
        When `target` cannot be written.
    """
    with open_model_file(file, most) as descriptor, open(target, "wb") as copy:
        left = os.fstat(descriptor).st_size
        while left and (piece := read_all(descriptor, min(left, 1 << 22))):
            copy.write(piece)
            left -= len(piece)
