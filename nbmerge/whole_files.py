"""Files of a user that are written as a whole or not at all."""

from __future__ import annotations

import os
import secrets
import tempfile
from contextlib import suppress
from pathlib import Path


def write_whole(file: Path, raw: bytes, *, private: bool = True) -> None:
    """Write a file so that it is there as a whole or as it was before.

    Parameters
    ----------
    file : Path
    raw : bytes
    private : bool
        Whether only the user can read it, in a folder that is no link; else everybody whom the system's settings allow to.

    Raises
    ------
    OSError
    """
    file.parent.mkdir(exist_ok=True)
    if private and file.parent.is_symlink():
        raise OSError(0, "the folder is a link to another place", str(file.parent))
    handle, name = _open_beside(file, private)
    try:
        with os.fdopen(handle, "wb") as part:
            part.write(raw)
        os.replace(name, file)
    except BaseException:
        with suppress(OSError):
            os.unlink(name)
        raise


def _open_beside(file: Path, private: bool) -> tuple[int, str]:
    """A new file in the same folder: its handle and name."""
    if private:
        return tempfile.mkstemp(dir=file.parent, prefix=file.stem, suffix=".part")
    name = str(file.with_name(f"{file.stem}{secrets.token_hex(4)}.part"))
    return os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666), name
