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
MOST_TICKS = 6
"""Points of a plane up to which each has its tick."""
CLEAR = 32
"""Pixels around a mark in which contour lines have no numbers."""
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
    along = scores.along or ("",) * len(scores.positions[0])
    return sheet.draw(
        [
            Row(
                height,
                HEAD,
                partial(_draw_one, draw, scores.table, name, {"lower": scores.lower[name], "along": along}),
            )
            for name in names
        ]
    )


def _draw_one(
    draw: Callable[..., Axes], table: pd.DataFrame, name: str, options: Mapping[str, Any], axes: Axes
) -> Axes:
    return draw(table, axes, score=name, **options)


def score_curve(
    table: pd.DataFrame, axes: Axes | None = None, *, score: str, lower: bool = True, along: Sequence[str] = ("",)
) -> Axes:
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
    along : (str,)
        What changes along the path, for the label.

    Returns
    -------
    Axes
    """
    axes = axes or theme.new_axes(height=CURVE + HEAD + theme.BOTTOM, top=HEAD)
    theme.dress(axes, xlabel=_name_axis(axes, "t", along[0], "position between the recipes"))
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


def _name_axis(axes: Axes, letter: str, along: str, otherwise: str, side: int = 0) -> str:
    """The label of an axis: what changes along it, where that is known and fits."""
    fits = along and len(along) + 3 <= theme.letters(theme.pixels(axes)[side])
    return theme.plain(f"{letter}: {along if fits else otherwise}")


def _mark_recipes(axes: Axes, x: np.ndarray, y: np.ndarray) -> list[tuple[float, float]]:
    """The recipes that a plane was given; returns where they are."""
    places = {place: name for place, name in ENDS.items() if len(place) == 2}
    shown = {(i, j): name for (i, j), name in places.items() if x[0] <= i <= x[-1] and y[0] <= j <= y[-1]}
    for place, name in shown.items():
        axes.plot(*place, color=theme.PALETTE[1], marker="D", markersize=7, markeredgecolor="white", clip_on=False)
        is_right = place[0] > (x[0] + x[-1]) / 2  # where the name would lie over the colour bar
        style: dict[str, Any] = {"ha": "right" if is_right else "left", "color": "white", "path_effects": OUTLINE}
        style |= {"fontsize": theme.look_of(axes).small, "weight": "bold"}
        axes.annotate(name, place, xytext=(-7 if is_right else 7, 7), textcoords="offset points", **style)
    return list(shown)


def _draw_contours(
    axes: Axes, x: np.ndarray, y: np.ndarray, values: np.ma.MaskedArray, marked: Sequence[tuple[float, float]]
) -> None:
    """Contour lines with as many digits as tell them apart, and no number over a mark."""
    lines = axes.contour(x, y, values, levels=LEVELS, colors="white", linewidths=0.9, alpha=0.8)
    levels = np.asarray(lines.levels)
    decimals = next((n for n in range(9) if len({f"{v:.{n}f}" for v in levels}) == len(levels)), 9)
    marks = axes.transData.transform(np.array(marked).reshape(-1, 2))
    near = CLEAR * axes.figure.dpi / theme.DPI * theme.look_of(axes).scale
    for label in axes.clabel(lines, fontsize=theme.look_of(axes).small, fmt=f"%.{decimals}f"):
        label.set_path_effects(OUTLINE)  # on bright cells, too
        place = axes.transData.transform(label.get_position())
        label.set_visible(bool((np.abs(marks - place).max(axis=1) > near).all()))


def _mark_best(axes: Axes, x: np.ndarray, y: np.ndarray, values: np.ma.MaskedArray) -> tuple[float, float]:
    """The point of the least value; returns where it is."""
    row, column = np.unravel_index(int(values.argmin()), values.shape)
    style: dict[str, Any] = {"color": "white", "fontsize": theme.look_of(axes).small, "path_effects": OUTLINE}
    place = float(x[column]), float(y[row])
    axes.plot(*place, color="white", marker="o", markersize=8, fillstyle="none", markeredgewidth=1.6, clip_on=False)
    axes.annotate("best", place, xytext=(0, -14), textcoords="offset points", ha="center", weight="bold", **style)
    return place


def score_plane(
    table: pd.DataFrame, axes: Axes | None = None, *, score: str, lower: bool = True, along: Sequence[str] = ("", "")
) -> Axes:
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
    along : (str, str)
        What changes along x and y, for the labels.

    Returns
    -------
    Axes
    """
    axes = axes or theme.new_axes(height=PLANE + HEAD + theme.BOTTOM, top=HEAD)
    xlabel = _name_axis(axes, "x", along[0], "from the first recipe to the second")
    theme.dress(axes, xlabel=xlabel, ylabel=_name_axis(axes, "y", along[1], "to the third", side=1), grid=False)
    theme.title(axes, f"{theme.shortened(score)} ({'lower' if lower else 'higher'} is better)")
    grid = table.pivot(index="y", columns="x", values=score)
    x, y, values = grid.columns.to_numpy(float), grid.index.to_numpy(float), np.ma.masked_invalid(grid.to_numpy(float))
    low, high = (float(values.min()), float(values.max())) if values.count() else (0.0, 1.0)
    norm = Normalize(low, high if high > low else low + 1)
    colours = matplotlib.colormaps[theme.SEQUENTIAL if lower else f"{theme.SEQUENTIAL}_r"]
    axes.pcolormesh(x, y, values, cmap=colours, norm=norm, shading="nearest")
    look = theme.look_of(axes)
    for set_ticks, at in ((axes.set_xticks, x), (axes.set_yticks, y)):
        ticks = at if len(at) <= MOST_TICKS else np.linspace(at[0], at[-1], 6)
        set_ticks(ticks, [f"{value:.3g}" for value in ticks])
    marked = _mark_recipes(axes, x, y)
    if values.count():
        marked.append(_mark_best(axes, x, y, values if lower else -values))
    if high > low and min(values.shape) > 2:
        _draw_contours(axes, x, y, values, marked)
    width = theme.pixels(axes)[0]
    bar = axes.figure.colorbar(
        ScalarMappable(norm, colours), cax=axes.inset_axes((1 + 10 / width, 0.0, 12 / width, 1.0))
    )
    bar.outline.set_visible(False)
    bar.ax.tick_params(colors=look.ink, labelsize=look.small, length=2)
    return axes
