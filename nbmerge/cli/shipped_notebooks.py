"""The notebooks that come with nbmerge, wherever they lie."""

from __future__ import annotations

from pathlib import Path

FIRST = "01-first-merge.ipynb"


def shipped_notebook(name: str = FIRST) -> Path:
    """Path of a notebook: inside an installed package, or beside it in a checkout."""
    package = Path(__file__).parents[1]
    places = (package / "notebooks" / name, package.parent / "notebooks" / name)
    return next((p for p in places if p.is_file()), places[0])
