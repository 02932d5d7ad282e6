"""Tokens of a text under several models, as a heat map."""

from __future__ import annotations

from typing import TYPE_CHECKING

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize

from nbmerge.plots import theme
from nbmerge.plots.figures import NotebookFigure
from nbmerge.plots.look import FONT, Look, Theme
from nbmerge.plots.pictures import WIDTH, Row, Sheet

if TYPE_CHECKING:
    import pandas as pd

    from nbmerge.analysis import TokenComparison

ROW, HEAD = 26, 28
"""Height of a row of cells and of the room for a title, in pixels."""
LABELLED = 60
"""Tokens up to which each is written below its column."""


def plot_token_comparison(
    found: TokenComparison, *, theme: Theme = "auto", width: float = WIDTH, font_size: float = FONT
) -> NotebookFigure:
    """See `TokenComparison.plot`."""
    sheet = Sheet(Look(theme, font_size), width)
    models = ["merge", *found.parents]
    return sheet.draw([Row(ROW * len(models), HEAD, lambda axes: token_map(found.table, axes, models=models))])


def token_map(table: pd.DataFrame, axes: Axes | None = None, *, models: list[str]) -> Axes:
    """Draw log-probabilities of tokens: one row per model, one column per token; bright is likely.

    Parameters
    ----------
    table : DataFrame
        With a column ``token`` and one for each model.
    axes : Axes, optional
        Default: new ones, 640 pixels wide.
    models : list of str
        Columns to draw.

    Returns
    -------
    Axes
    """
    axes = axes or theme.new_axes(height=HEAD + theme.BOTTOM + ROW * len(models), top=HEAD)
    theme.dress(axes, xlabel="token", grid=False)
    theme.title(axes, "log-probability of each token")
    for spine in axes.spines.values():
        spine.set_visible(False)
    values = table[models].to_numpy(float).T
    finite = values[np.isfinite(values)]
    norm = Normalize(float(finite.min(initial=-1.0)), 0.0)
    colours = matplotlib.colormaps[theme.SEQUENTIAL]
    edges = np.arange(len(table) + 1) - 0.5
    for row in range(len(models)):
        axes.pcolormesh(
            edges, [row - 0.46, row + 0.46], np.ma.masked_invalid(values[row : row + 1]), cmap=colours, norm=norm
        )
    axes.set_ylim(len(models) - 0.5, -0.5)
    theme.name_rows(axes, models)
    if len(table) <= LABELLED:
        words = [theme.plain(theme.shortened(_visible(token), 6)) for token in table["token"]]
        small = theme.look_of(axes).small
        axes.set_xticks(range(len(table)), words, fontsize=small, rotation=90 if max(map(len, words)) > 2 else 0)
        axes.tick_params(axis="x", length=0)
    look, width = theme.look_of(axes), theme.pixels(axes)[0]
    bar = axes.figure.colorbar(
        ScalarMappable(norm, colours), cax=axes.inset_axes((1 + 10 / width, 0.0, 12 / width, 1.0))
    )
    bar.outline.set_visible(False)
    bar.ax.tick_params(colors=look.ink, labelsize=look.small, length=2)
    return axes


def _visible(token: str) -> str:
    """A token as a label: spaces and line breaks are written out."""
    return "".join("␣" if c == " " else c if c.isprintable() else repr(c)[1:-1] for c in token)
