"""Scores along a path between two recipes, and over a plane between three."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.patheffects import AbstractPathEffect, withStroke

from nbmerge.plots import theme
from nbmerge.plots.figures import NotebookFigure
from nbmerge.plots.look import FONT, Look, Theme
from nbmerge.plots.pictures import NARROW, WIDTH, Row, Sheet

if TYPE_CHECKING:
    import pandas as pd

    from nbmerge.analysis import PathScores

CURVE, PLANE = 170, 340
"""Heights of axes in pixels."""
HEAD = 26
"""Margin for a title in pixels."""
ENDS = {(0.0,): "first", (1.0,): "second", (0.0, 0.0): "first", (1.0, 0.0): "second", (0.0, 1.0): "third"}
"""Positions of the recipes that a path or a plane was given."""
LEVELS = 8
"""Contour lines of a plane, at most."""
OUTLINE: list[AbstractPathEffect] = [withStroke(linewidth=2.2, foreground="#00000090")]
"""Around white text on a heat map."""


def plot_path_scores(
    scores: PathScores,
    names: Sequence[str],
    *,
    theme: Theme = "auto",
    width: float = WIDTH,
    font_size: float = FONT,
) -> NotebookFigure:
    """See `PathScores.plot`."""
    sheet = Sheet(Look(theme, font_size), width, NARROW if not scores.is_plane else 84)
    draw: Callable[..., Axes] = score_plane if scores.is_plane else score_curve
    height = PLANE if scores.is_plane else CURVE
    return sheet.draw(
        [
            Row(height, HEAD, partial(_draw_one, draw, scores.table, name, {"lower": scores.lower[name]}))
            for name in names
        ]
    )


def _draw_one(
    draw: Callable[..., Axes], table: pd.DataFrame, name: str, options: Mapping[str, Any], axes: Axes
) -> Axes:
    return draw(table, axes, score=name, **options)


def score_curve(table: pd.DataFrame, axes: Axes | None = None, *, score: str, lower: bool = True) -> Axes:
    """Draw a score along a path; the recipes at its ends and the barrier are marked.

    Parameters
    ----------
    table : DataFrame
        With the columns ``t`` and `score`.
    axes : Axes, optional
        Default: new ones, 640 pixels wide.
    score : str
        Column to draw. Gaps where it is missing.
    lower : bool
        Whether lower is better.

    Returns
    -------
    Axes
    """
    axes = axes or theme.new_axes(height=CURVE + HEAD + theme.BOTTOM, top=HEAD)
    theme.dress(axes, xlabel="position between the recipes", ylabel="")
    t, values = table["t"].to_numpy(float), table[score].to_numpy(float)
    theme.title(axes, f"{theme.shortened(score)} ({'lower' if lower else 'higher'} is better)")
    axes.plot(t, values, color=theme.PALETTE[0], marker="o", markersize=4, linewidth=1.6, clip_on=False)
    axes.set_xlim(t.min(), t.max())
    look = theme.look_of(axes)
    ends = {x: v for x, v in zip(t, values, strict=True) if (x,) in ENDS and np.isfinite(v)}
    for x, value in ends.items():
        axes.plot([x], [value], color=theme.PALETTE[1], marker="D", markersize=7, clip_on=False, zorder=4)
        is_free_above = _find_beside(t, values, x) <= value
        style: dict[str, Any] = {"color": look.ink, "fontsize": look.small, "clip_on": False}
        axes.annotate(
            ENDS[(x,)],
            (x, value),
            xytext=(8 if x == 0 else -8, 7 if is_free_above else -7),
            textcoords="offset points",
            ha="left" if x == 0 else "right",
            va="bottom" if is_free_above else "top",
            **style,
        )
    if len(ends) == 2:
        _mark_barrier(axes, t, values, ends, 1.0 if lower else -1.0)
    axes.margins(y=0.15)
    return axes


def _find_beside(t: np.ndarray, values: np.ndarray, end: float) -> float:
    """The score of the point next to an end, towards the other end; that of the end itself where there is none."""
    inside = [(abs(x - end), v) for x, v in zip(t, values, strict=True) if 0 <= x <= 1 and np.isfinite(v)]
    return float(sorted(inside)[min(1, len(inside) - 1)][1])


def _mark_barrier(axes: Axes, t: np.ndarray, values: np.ndarray, ends: Mapping[float, float], sign: float) -> None:
    """The straight line between the ends, and the largest distance of a worse point from it."""
    look = theme.look_of(axes)
    line = (1 - t) * ends[0.0] + t * ends[1.0]
    axes.plot([0, 1], [ends[0.0], ends[1.0]], color=look.ink, linestyle=(0, (4, 3)), linewidth=1, zorder=1)
    above = np.where((t >= 0) & (t <= 1) & np.isfinite(values), sign * (values - line), -np.inf)
    i = int(above.argmax())
    if above[i] > 1e-9 * max(map(abs, ends.values())):
        axes.plot([t[i], t[i]], [line[i], values[i]], color=theme.PALETTE[1], linewidth=1.2, zorder=3)
        falls = sign * (line[-1] - line[0]) < 0  # seen from the worse side, where the label is away from the curve
        axes.annotate(
            f"barrier {above[i]:.3g}",
            (t[i], values[i]),
            xytext=(4 if falls else -4, 5 * sign),
            textcoords="offset points",
            ha="left" if falls else "right",
            va="bottom" if sign > 0 else "top",
            color=look.ink,
            fontsize=look.small,
        )


def _mark_best(axes: Axes, x: np.ndarray, y: np.ndarray, values: np.ma.MaskedArray) -> None:
    """The point of the least value."""
    row, column = np.unravel_index(int(values.argmin()), values.shape)
    style: dict[str, Any] = {"color": "white", "fontsize": theme.look_of(axes).small, "path_effects": OUTLINE}
    place = float(x[column]), float(y[row])
    axes.plot(*place, color="white", marker="o", markersize=8, fillstyle="none", markeredgewidth=1.6, clip_on=False)
    axes.annotate("best", place, xytext=(0, -14), textcoords="offset points", ha="center", weight="bold", **style)


def score_plane(table: pd.DataFrame, axes: Axes | None = None, *, score: str, lower: bool = True) -> Axes:
    """Draw a score over a plane as a heat map with contour lines; the three recipes and the best point are marked.

    Parameters
    ----------
    table : DataFrame
        With the columns ``x``, ``y`` and `score`, one row for each point of a grid. Missing scores stay blank.
    axes : Axes, optional
        Default: new ones, 640 pixels wide.
    score : str
    lower : bool
        Whether lower is better: dark is better.

    Returns
    -------
    Axes
    """
    axes = axes or theme.new_axes(height=PLANE + HEAD + theme.BOTTOM, top=HEAD)
    theme.dress(axes, xlabel="x: from the first recipe to the second", ylabel="y: to the third", grid=False)
    theme.title(axes, f"{theme.shortened(score)} ({'lower' if lower else 'higher'} is better)")
    grid = table.pivot(index="y", columns="x", values=score)
    x, y, values = grid.columns.to_numpy(float), grid.index.to_numpy(float), np.ma.masked_invalid(grid.to_numpy(float))
    low, high = (float(values.min()), float(values.max())) if values.count() else (0.0, 1.0)
    norm = Normalize(low, high if high > low else low + 1)
    colours = matplotlib.colormaps[theme.SEQUENTIAL if lower else f"{theme.SEQUENTIAL}_r"]
    axes.pcolormesh(x, y, values, cmap=colours, norm=norm, shading="nearest")
    look = theme.look_of(axes)
    if high > low and min(values.shape) > 2:
        lines = axes.contour(x, y, values, levels=LEVELS, colors="white", linewidths=0.9, alpha=0.8)
        for label in axes.clabel(lines, fontsize=look.small, fmt="%.3g"):
            label.set_path_effects(OUTLINE)  # on bright cells, too
    for place, name in ENDS.items():
        if len(place) == 2 and x.min() <= place[0] <= x.max() and y.min() <= place[1] <= y.max():
            axes.plot(*place, color=theme.PALETTE[1], marker="D", markersize=7, markeredgecolor="white", clip_on=False)
            axes.annotate(
                name,
                place,
                xytext=(7, 7),
                textcoords="offset points",
                color="white",
                fontsize=look.small,
                weight="bold",
                path_effects=OUTLINE,
            )
    if values.count():
        _mark_best(axes, x, y, values if lower else -values)
    width = theme.pixels(axes)[0]
    bar = axes.figure.colorbar(
        ScalarMappable(norm, colours), cax=axes.inset_axes((1 + 10 / width, 0.0, 12 / width, 1.0))
    )
    bar.outline.set_visible(False)
    bar.ax.tick_params(colors=look.ink, labelsize=look.small, length=2)
    return axes
