"""Draws the pictures of docs/understanding.md: ``python docs/make_pictures.py``. A test checks that all are there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import nbmerge as nbm

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FOLDER = Path(__file__).with_name("pictures")


def _models() -> list[Path]:
    family = nbm.demo.family()
    return [family.base, *family.experts.values()]


PICTURES: dict[str, Callable[[], Figure]] = {
    "cosine": lambda: nbm.measure_models(*_models(), progress=False).plot("cosine"),
    "conflicts": lambda: nbm.measure_conflicts(*_models(), progress=False).plot(),
    "kept": lambda: nbm.measure_spectra(*_models(), progress=False).plot("kept"),
}
"""Each picture by its name, without the suffix."""


def main() -> None:
    """Draw all of them."""
    FOLDER.mkdir(exist_ok=True)
    for name, draw in PICTURES.items():
        (FOLDER / f"{name}.png").write_bytes(nbm.plots.to_bytes(draw(), "png"))


if __name__ == "__main__":
    main()
