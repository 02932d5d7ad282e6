"""Conflicts of signs, and what trimming and the election of signs keep of task vectors."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes

from nbmerge.plots import theme
from nbmerge.plots.figures import NotebookFigure
from nbmerge.plots.look import FONT, Look, Theme
from nbmerge.plots.pictures import WIDTH, Row, Sheet
from nbmerge.plots.structure.curves import ABOVE, HEIGHT, dashed_sample, draw_curve, new_axes, style_of
from nbmerge.plots.structure.part_maps import part_maps

if TYPE_CHECKING:
    import pandas as pd

    from nbmerge.statistics.structure import Conflicts

MOSTLY_CHANCE = 0.55
"""Share of conflicting signs up to which the scale ends at one half."""
ELECTED, CONFLICT = "elected", "conflicts, % of elements"
TRIMMED = 0.2
"""The density after trimming that a map is drawn for, or the closest one that was measured: the one of the paper of TIES."""


def plot_conflicts(
    conflicts: Conflicts, *, theme: Theme = "auto", width: float = WIDTH, font_size: float = FONT
) -> NotebookFigure:
    """See `Conflicts.plot`."""
    sheet = Sheet(Look(theme, font_size), width)
    models = list(conflicts.models[1:])
    above = ABOVE + _legend_height([*models, ELECTED, CONFLICT], sheet.inner)
    rows = [Row(HEIGHT, above, partial(_draw_trimming, conflicts.summary, models), own_axis=True)]
    trimmed = min(conflicts.densities, key=lambda d: abs(d - TRIMMED))
    for density in dict.fromkeys((1.0, trimmed)):
        table = conflicts.by_part[conflicts.by_part["density"] == density]
        when = "before trimming" if density == 1 else f"at density {density:g}"
        titles = {"conflict": f"share of conflicting signs {when}"}
        rows += part_maps(table, titles, conflicts.depth, limits=conflict_limits(table[["conflict"]].to_numpy(float)))
    return sheet.draw(rows)


def conflict_limits(shares: np.ndarray) -> tuple[float, float]:
    """A scale of shares of conflicting signs: up to one half, which chance gives two models, where none is clearly above that."""
    return 0.0, 0.5 if np.nanmax(shares, initial=0.0) <= MOSTLY_CHANCE else 1.0


def _legend_height(names: list[str], width: float) -> int:
    return theme.legend_height(names, width)


def _draw_trimming(table: pd.DataFrame, models: list[str], axes: Axes) -> Axes:
    return trimming_curves(table, axes, models=models)


def trimming_curves(table: pd.DataFrame, axes: Axes | None = None, *, models: list[str]) -> Axes:
    """Draw what densities keep of task vectors, what of it has the elected sign, and the share of conflicting signs.

    Parameters
    ----------
    table : DataFrame
        As `Conflicts.summary`: density, conflict, and for each model ``kept[model]`` and ``elected[model]``.
    axes : Axes, optional
        Default: new ones, 640 pixels wide.
    models : list of str

    Returns
    -------
    Axes
    """
    axes = axes or new_axes([*models, ELECTED, CONFLICT])
    theme.dress(axes, xlabel="density", ylabel="% of Σ|δ| kept")
    x = table["density"].to_numpy(float)
    lines = []
    for i, model in enumerate(models):
        lines.append(draw_curve(axes, i, x, 100 * table[f"kept[{model}]"].to_numpy(float)))
        draw_curve(
            axes, i, x, 100 * table[f"elected[{model}]"].to_numpy(float), linestyle="--", marker="", linewidth=1.2
        )
    ink = theme.look_of(axes).ink
    (conflict,) = axes.plot(x, 100 * table["conflict"].to_numpy(float), color=ink, linewidth=1.2, linestyle=":")
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 100)
    theme.legend(axes, [*lines, dashed_sample(axes), conflict], [*models, ELECTED, CONFLICT])
    return axes


def kept_mass_curves(table: pd.DataFrame, axes: Axes | None = None) -> Axes:
    """Draw how much of each model's changes is kept, against the density; the bounds of the share as a band.

    Parameters
    ----------
    table : DataFrame
        As `Statistics.kept_masses`: density, model, low, high.
    axes : Axes, optional
        Default: new ones, 640 pixels wide.

    Returns
    -------
    Axes
    """
    models = list(dict.fromkeys(table["model"]))
    axes = axes or new_axes(models)
    theme.dress(axes, xlabel="density", ylabel="% of Σ|δ| kept")
    lines = []
    for i, model in enumerate(models):
        own = table[table["model"] == model].sort_values("density")
        x, low, high = (own[name].to_numpy(float) for name in ("density", "low", "high"))
        axes.fill_between(x, 100 * low, 100 * high, color=style_of(i)["color"], alpha=0.3, linewidth=0)
        lines.append(draw_curve(axes, i, x, 50 * (low + high)))
    axes.plot([0, 1], [0, 100], color=theme.look_of(axes).ink, linewidth=1, linestyle=(0, (4, 3)), zorder=1)
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 100)
    axes.set_xticks(np.linspace(0, 1, 6))
    theme.legend(axes, lines, models)
    return axes
