"""Paths of the notebooks that come with nbmerge."""

from __future__ import annotations

from pathlib import Path

FIRST = "01-first-merge.ipynb"


def find_notebook(name: str = FIRST) -> Path:
    """Path of a notebook, in an installed package or in a checkout."""
    package = Path(__file__).parents[1]
    places = (package / "notebooks" / name, package.parent / "notebooks" / name)
    return next((p for p in places if p.is_file()), places[0])


def list_notebooks() -> list[Path]:
    """Paths of all of them, in the order in which they are read; they link to each other."""
    return sorted(find_notebook().parent.glob("[0-9][0-9]-*.ipynb"))
