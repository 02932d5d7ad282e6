"""Results of tasks, with their standard errors."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes

from nbmerge.plots import theme
from nbmerge.plots.figures import NotebookFigure
from nbmerge.plots.look import FONT, Look, Theme
from nbmerge.plots.pictures import NARROW, WIDTH, Row, Sheet

if TYPE_CHECKING:
    import pandas as pd

    from nbmerge.evaluation import Evaluation

ROW, HEAD = 34, 28
"""Height of a result and of the room for a title, in pixels."""


def plot_evaluation(
    found: Evaluation, *, theme: Theme = "auto", width: float = WIDTH, font_size: float = FONT
) -> NotebookFigure:
    """See `Evaluation.plot`."""
    sheet = Sheet(Look(theme, font_size), width, NARROW)
    metrics = found.table.groupby(["metric", "filter"], sort=False)
    rows = []
    for (metric, filter), table in metrics:
        lower = bool(table["lower"].iloc[0])
        title = f"{metric}{f' ({filter})' if filter != 'none' else ''}, {'lower' if lower else 'higher'} is better"
        rows.append(Row(ROW * len(table), HEAD, partial(_draw, table, title)))
    return sheet.draw(rows)


def _draw(table: pd.DataFrame, title: str, axes: Axes) -> Axes:
    return task_values(table, axes, title=title)


def task_values(table: pd.DataFrame, axes: Axes | None = None, *, title: str = "") -> Axes:
    """Draw a value for each task, with its standard error.

    Parameters
    ----------
    table : DataFrame
        With the columns ``task``, ``value`` and ``error``.
    axes : Axes, optional
        Default: new ones, 640 pixels wide.
    title : str

    Returns
    -------
    Axes
    """
    axes = axes or theme.new_axes(height=HEAD + theme.BOTTOM + ROW * len(table), top=HEAD)
    theme.dress(axes, grid=False)
    theme.title(axes, title)
    rows = np.arange(len(table))
    values, errors = table["value"].to_numpy(float), table["error"].fillna(0.0).to_numpy(float)
    for row, task in zip(rows, table["task"], strict=True):
        axes.axhline(float(row), color=theme.look_of(axes).ink, alpha=0.2, linewidth=0.8, zorder=0)
        label = theme.plain(theme.shortened(str(task), 48))
        style: dict[str, Any] = {"color": theme.look_of(axes).ink, "fontsize": theme.look_of(axes).small}
        axes.annotate(
            label, (0, row), xytext=(3, 5), textcoords="offset points", xycoords=axes.get_yaxis_transform(), **style
        )
    axes.errorbar(values, rows, xerr=errors, fmt="o", color=theme.PALETTE[0], markersize=6, capsize=3, linewidth=1.4)
    axes.set_ylim(len(table) - 0.4, -0.8)
    axes.set_yticks([])
    low, high = (values - errors).min(), (values + errors).max()
    if low >= 0 and high <= 1:
        axes.set_xlim(-0.02, 1.02)
    return axes
