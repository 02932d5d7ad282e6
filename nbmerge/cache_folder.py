"""Where a user's caches lie."""

from __future__ import annotations

import os
import sys
from pathlib import Path

VARIABLE = "NBMERGE_CACHE"
"""Environment variable with another folder; empty for no cache."""


def cache_folder(name: str) -> Path | None:
    """The folder of one of nbmerge's caches, None where the environment asks for no cache."""
    if (chosen := os.environ.get(VARIABLE)) is not None:
        return Path(chosen) / name if chosen else None
    if sys.platform == "win32":
        home = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData/Local")
    elif sys.platform == "darwin":
        home = Path.home() / "Library/Caches"
    else:
        home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return home / "nbmerge" / name
