"""How models differ from their base: sizes, signs and cosines of task vectors, what did not change, what changed most."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes

from nbmerge.errors import ArgumentError
from nbmerge.plots import theme
from nbmerge.plots.axis import layer_axis
from nbmerge.plots.figures import NotebookFigure
from nbmerge.plots.look import FONT, Look, Theme
from nbmerge.plots.pictures import NARROW, WIDTH, Row, Sheet
from nbmerge.plots.structure.conflicts import conflict_limits, kept_mass_curves
from nbmerge.plots.structure.curves import ABOVE, HEIGHT, dashed_sample, draw_curve, new_axes
from nbmerge.plots.structure.matrices import plot_matrix
from nbmerge.plots.structure.part_maps import brief, part_maps

if TYPE_CHECKING:
    import pandas as pd

    from nbmerge.statistics import Statistics

WHAT = ("change", "cosine", "conflict", "cosines", "unchanged", "kept mass", "most changed")
MAPS = 10
"""Most heat maps of one figure."""
BARS, BAR = 20, 18
"""Tensors of a bar chart, and the height of one in pixels."""
LETTERS = 44
"""Letters of the name of a tensor."""
FLOOR = "expected from rounding alone"


def plot_statistics(
    statistics: Statistics,
    what: str = "change",
    *,
    theme: Theme = "auto",
    width: float = WIDTH,
    font_size: float = FONT,
) -> NotebookFigure:
    """See `Statistics.plot`."""
    if what not in WHAT:
        raise ArgumentError(f"what must be one of {', '.join(WHAT)}, not {what!r}.")
    models, look = list(statistics.models[1:]), Look(theme, font_size)
    if not models or (what in ("cosine", "conflict", "cosines") and len(models) < 2):
        raise ArgumentError(
            f"The plot {what!r} needs more models. Measure {'two' if models else 'one'} beside the base."
        )
    if what == "cosines":
        return plot_matrix(statistics.cosines, "cosine between task vectors", look, width)
    if what in ("unchanged", "kept mass", "most changed"):
        return _plot_curves(statistics, what, look, width)
    return Sheet(look, width).draw(_maps(statistics, what))


def _maps(statistics: Statistics, what: str) -> list[Row]:
    models, table = list(statistics.models[1:]), statistics.by_part
    pairs = list(combinations(models, 2))[:MAPS]
    if what == "change":
        titles = {f"change[{m}]": f"‖δ‖ / ‖base‖ of {m}" for m in models[:MAPS]}
        return part_maps(table, titles, statistics.depth)
    if what == "cosine":
        titles = {f"cosine[{a}, {b}]": f"cosine of task vectors, {brief(a)} and {brief(b)}" for a, b in pairs}
        return part_maps(table, titles, statistics.depth, limits=(-1.0, 1.0), signed=True)
    titles = {f"conflict[{a}, {b}]": f"opposite signs, {brief(a)} and {brief(b)}" for a, b in pairs}
    return part_maps(table, titles, statistics.depth, limits=conflict_limits(table[list(titles)].to_numpy(float)))


def _plot_curves(statistics: Statistics, what: str, look: Look, width: float) -> NotebookFigure:
    models = list(statistics.models[1:])
    sheet = Sheet(look, width, NARROW)
    if what == "most changed":
        table = statistics.most_changed(BARS)
        height = BAR * len(table) * max(1, len(models)) ** 0.5
        above = ABOVE + theme.legend_height(models, sheet.inner)
        return sheet.draw([Row(height, above, lambda axes: change_bars(table, axes, models=models))])
    above = ABOVE + theme.legend_height([*models, FLOOR], sheet.inner)
    draw = (
        partial(_draw_unchanged, statistics, models)
        if what == "unchanged"
        else partial(_draw_kept, statistics.kept_masses())
    )
    return sheet.draw([Row(HEIGHT, above, draw)])


def _draw_unchanged(statistics: Statistics, models: Sequence[str], axes: Axes) -> Axes:
    return unchanged_curves(statistics.by_layer, axes, models=models, depth=statistics.depth)


def _draw_kept(table: pd.DataFrame, axes: Axes) -> Axes:
    return kept_mass_curves(table, axes)


def unchanged_curves(table: pd.DataFrame, axes: Axes | None = None, *, models: Sequence[str], depth: int) -> Axes:
    """Draw the share of unchanged elements over the layers, and what rounding alone would leave unchanged.

    Parameters
    ----------
    table : DataFrame
        As `Statistics.by_layer`: layer, and for each model ``unchanged[model]`` and ``floor[model]``.
    axes : Axes, optional
        Default: new ones, 640 pixels wide.
    models : sequence of str
    depth : int
        Number of layers.

    Returns
    -------
    Axes
    """
    axes = axes or new_axes([*models, FLOOR])
    theme.dress(axes, ylabel="unchanged, %")
    layer_axis(axes, depth)
    x = table["layer"].to_numpy(dtype=float)
    lines = [draw_curve(axes, i, x, 100 * table[f"unchanged[{m}]"].to_numpy(float)) for i, m in enumerate(models)]
    for i, model in enumerate(models):
        floor = 100 * table[f"floor[{model}]"].to_numpy(float)
        draw_curve(axes, i, x, floor, linestyle="--", marker="", linewidth=1.2)
    top = max(1.0, *(100 * float(np.nanmax(table[[f"unchanged[{m}]", f"floor[{m}]"]].to_numpy(float))) for m in models))
    axes.set_ylim(0, min(100.0, 1.08 * top))
    theme.legend(axes, [*lines, dashed_sample(axes)], [*models, FLOOR])
    return axes


def change_bars(table: pd.DataFrame, axes: Axes | None = None, *, models: Sequence[str]) -> Axes:
    """Draw how much single tensors changed, one bar for each model.

    Parameters
    ----------
    table : DataFrame
        As `Statistics.most_changed`: tensor, and ``change[model]`` for each model.
    axes : Axes, optional
        Default: new ones, 640 pixels wide.
    models : sequence of str

    Returns
    -------
    Axes
    """
    axes = axes or new_axes(list(models), BAR * len(table))
    theme.dress(axes, xlabel="‖δ‖ / ‖base‖, %", grid=False)
    look, rows = theme.look_of(axes), np.arange(len(table))
    thick = 0.8 / max(1, len(models))
    samples: list[Artist] = []
    for i, model in enumerate(models):
        values = 100 * table[f"change[{model}]"].to_numpy(float)
        place = rows - 0.4 + (i + 0.5) * thick
        samples.append(axes.barh(place, values, thick, color=theme.PALETTE[i % len(theme.PALETTE)], linewidth=0)[0])
    axes.set_ylim(len(table) - 0.5, -0.5)
    axes.set_yticks([])
    longest = np.nan_to_num(100 * table[[f"change[{m}]" for m in models]].to_numpy(float), posinf=0.0).max(axis=1)
    axes.set_xlim(0, 1.9 * (longest.max(initial=0.0) or 1.0))  # names stand to the right of the bars
    style: dict[str, Any] = {"va": "center", "color": look.ink, "fontsize": look.small}
    for row, name in enumerate(table["tensor"]):
        text = theme.plain(theme.shortened(str(name), LETTERS))
        axes.annotate(text, (longest[row], row), xytext=(5, 0), textcoords="offset points", **style)
    theme.legend(axes, samples, list(models))
    return axes
