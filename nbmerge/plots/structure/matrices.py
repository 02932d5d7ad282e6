"""Similarity of all pairs of models, as a matrix."""

from __future__ import annotations

from typing import TYPE_CHECKING

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Normalize

from nbmerge.plots import theme
from nbmerge.plots.figures import NotebookFigure
from nbmerge.plots.heat_map import readable_ink
from nbmerge.plots.look import FONT, Look, Theme
from nbmerge.plots.pictures import NARROW, WIDTH, Row, Sheet

if TYPE_CHECKING:
    import pandas as pd

    from nbmerge.statistics.structure import Family

CELL, MOST_HEIGHT = 44, 560
"""Height of a row of a matrix, and of a whole matrix, in pixels."""
HEAD = 28
NUMBERED = 16
"""Models up to which cells have numbers."""
BESIDE = 6
"""Pixels between the names below a matrix."""


def plot_family(
    family: Family, *, theme: Theme = "auto", width: float = WIDTH, font_size: float = FONT
) -> NotebookFigure:
    """See `Family.plot`."""
    return plot_matrix(family.cosines, "cosine between weights of layers", Look(theme, font_size), width)


def plot_matrix(matrix: pd.DataFrame, title: str, look: Look, width: float) -> NotebookFigure:
    """A figure with one matrix."""
    height = min(CELL * max(len(matrix), 2), MOST_HEIGHT)
    sheet = Sheet(look, width, NARROW)
    return sheet.draw([Row(height, HEAD, lambda axes: similarity_matrix(matrix, axes, title=title))])


def similarity_matrix(matrix: pd.DataFrame, axes: Axes | None = None, *, title: str = "cosine") -> Axes:
    """Draw cosines of all pairs.

    Parameters
    ----------
    matrix : DataFrame, shape (models, models)
        Numbers from −1 to 1; missing ones stay blank.
    axes : Axes, optional
        Default: new ones, 640 pixels wide.
    title : str

    Returns
    -------
    Axes
    """
    count = len(matrix)
    axes = axes or theme.new_axes(
        height=HEAD + theme.BOTTOM + min(CELL * max(count, 2), MOST_HEIGHT), top=HEAD, right=NARROW
    )
    theme.dress(axes, grid=False)
    for spine in axes.spines.values():
        spine.set_visible(False)
    theme.title(axes, title)
    numbers = matrix.to_numpy(dtype=float)
    colours, norm = matplotlib.colormaps["RdBu_r"], Normalize(-1, 1)
    axes.pcolormesh(
        np.arange(count + 1) - 0.5, np.arange(count + 1) - 0.5, np.ma.masked_invalid(numbers), cmap=colours, norm=norm
    )
    axes.set_ylim(count - 0.5, -0.5)
    names = [str(name) for name in matrix.columns]
    theme.name_rows(axes, names)
    room = max(theme.letters(theme.pixels(axes)[0] / max(count, 1) - BESIDE, theme.SMALL), 3)
    small = theme.look_of(axes).small
    axes.set_xticks(range(count), [theme.plain(theme.shortened(name, room)) for name in names], fontsize=small)
    axes.tick_params(length=0)
    if count <= NUMBERED:
        look = theme.look_of(axes)
        for (row, column), number in np.ndenumerate(numbers):
            if np.isfinite(number):
                ink = readable_ink(colours(norm(number)))
                text = "1" if row == column else f"{number:.3f}" if count <= NUMBERED // 2 else f"{number:.2f}"
                axes.text(column, row, text, ha="center", va="center", color=ink, fontsize=look.small)
    return axes
