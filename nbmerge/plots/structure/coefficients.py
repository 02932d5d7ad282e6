"""What a recipe multiplies each tensor by, and where special cases apply."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from nbmerge.errors import ArgumentError
from nbmerge.plots.figures import NotebookFigure
from nbmerge.plots.look import FONT, Look, Theme
from nbmerge.plots.pictures import WIDTH, Sheet
from nbmerge.plots.structure.part_maps import part_maps

if TYPE_CHECKING:
    from nbmerge.statistics.structure import Coefficients

MAPS = 10
"""Most heat maps of one figure."""


def plot_coefficients(
    found: Coefficients, *, theme: Theme = "auto", width: float = WIDTH, font_size: float = FONT
) -> NotebookFigure:
    """See `Coefficients.plot`."""
    table = found.by_part
    titles = {f"coefficient[{m}]": f"coefficient of {m}" for m in found.models[:MAPS]}
    numbers = table[list(titles)].to_numpy(dtype=float)
    if not np.isfinite(numbers).any():
        raise ArgumentError(
            "No tensor of this merge is a weighted sum, so it has no coefficients. Plot the recipe instead."
        )
    low, high = (float(x) for x in (np.nanmin(numbers), np.nanmax(numbers)))
    most = max(-low, high, 1.0)
    rows = part_maps(table, titles, found.depth, limits=(-most if low < 0 else 0.0, most), signed=low < 0)
    if table["angle"].notna().any():
        rows += part_maps(table, {"angle": "angle between the models, degrees"}, found.depth)
        rows += part_maps(table, {"special": _describe(found)}, found.depth, limits=(0.0, 1.0))
    return Sheet(Look(theme, font_size), width).draw(rows)


def _describe(found: Coefficients) -> str:
    """What a map of special cases shows."""
    if len(found.notes) == 1:
        return f"share of tensors: {found.notes.index[0]}"
    return "share of tensors with a special case" if len(found.notes) else "share of tensors with a special case: none"
