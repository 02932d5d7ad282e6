"""Where a user's caches lie."""

from __future__ import annotations

import os
from pathlib import Path

VARIABLE = "NBMERGE_CACHE"
"""Environment variable with another folder; empty for no cache."""


def cache_folder(name: str) -> Path | None:
    """The folder of one of nbmerge's caches, None where the environment asks for no cache."""
    if (chosen := os.environ.get(VARIABLE)) is not None:
        return Path(chosen) / name if chosen else None
    from platformdirs import user_cache_path

    return user_cache_path("nbmerge", appauthor=False) / name
