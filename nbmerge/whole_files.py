"""Files of a user that are written as a whole or not at all."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from pathlib import Path


def write_whole(file: Path, raw: bytes) -> None:
    """Write a file so that it is there as a whole or as it was before.

    Raises
    ------
    OSError
    """
    file.parent.mkdir(exist_ok=True)
    if file.parent.is_symlink():
        raise OSError(0, "the folder is a link to another place", str(file.parent))
    handle, name = tempfile.mkstemp(dir=file.parent, prefix=file.stem, suffix=".part")
    try:
        with os.fdopen(handle, "wb") as part:
            part.write(raw)
        os.replace(name, file)
    except BaseException:
        with suppress(OSError):
            os.unlink(name)
        raise
