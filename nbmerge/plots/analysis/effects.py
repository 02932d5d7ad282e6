"""What parts of a merge do to a score: layers × kinds of tensor, in colours on both sides of zero."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize

from nbmerge.checkpoints.layout import GROUPS
from nbmerge.plots import theme
from nbmerge.plots.axis import OUTSIDE, layer_axis
from nbmerge.plots.figures import NotebookFigure
from nbmerge.plots.look import FONT, Look, Theme
from nbmerge.plots.pictures import WIDTH, Row, Sheet

if TYPE_CHECKING:
    import pandas as pd

    from nbmerge.analysis import Ablation, Sensitivity

ROW, HEAD = 34, 28
"""Height of a row of cells and of the room for a title, in pixels."""
DIVERGING = "RdBu_r"
"""Colour map of changes: blue below zero, red above."""
GROUND = "#8883"
"""What cells without a number look like."""


def plot_ablation(
    ablation: Ablation, names: Sequence[str], *, theme: Theme = "auto", width: float = WIDTH, font_size: float = FONT
) -> NotebookFigure:
    """See `Ablation.plot`."""
    sheet = Sheet(Look(theme, font_size), width)
    table = ablation.table
    rows = []
    for name in names:
        title = f"change of {name} with parts of {ablation.source} ({_name_better(ablation.lower[name])} is better)"
        drawn = partial(_draw_change, table, ablation.depth, f"change[{name}]", title)
        rows.append(Row(ROW * len(kinds_of(table)), HEAD, drawn))
    return sheet.draw(rows)


def plot_sensitivity(
    found: Sensitivity, *, theme: Theme = "auto", width: float = WIDTH, font_size: float = FONT
) -> NotebookFigure:
    """See `Sensitivity.plot`."""
    sheet = Sheet(Look(theme, font_size), width)
    rows = []
    for (parameter, model), table in found.table.groupby(["parameter", "model"], dropna=False, sort=False):
        of = f" of {model}" if isinstance(model, str) else ""
        title = f"change of the score per {parameter}{of} ({_name_better(found.lower)} is better)"
        drawn = partial(_draw_change, table, found.depth, "derivative", title)
        rows.append(Row(ROW * len(kinds_of(table)), HEAD, drawn))
    return sheet.draw(rows)


def _name_better(lower: bool) -> str:
    return "lower" if lower else "higher"


def _draw_change(table: pd.DataFrame, depth: int, value: str, title: str, axes: Axes) -> Axes:
    return effect_map(table, axes, value=value, depth=depth, title=title)


def kinds_of(table: pd.DataFrame) -> list[str]:
    """The rows of an effect map: kinds of tensors in layers, or "layer" where these are not told apart."""
    found = dict.fromkeys(name for name in _names(table) if name not in OUTSIDE)
    return sorted(found, key=lambda kind: list(GROUPS).index(kind) if kind in GROUPS else -1) or ["layer"]


def _names(table: pd.DataFrame) -> list[str]:
    return [kind if isinstance(kind, str) else "layer" for kind in table["kind"]]


def effect_map(
    table: pd.DataFrame,
    axes: Axes | None = None,
    *,
    value: str,
    depth: int,
    title: str = "",
    limits: tuple[float, float] | None = None,
    colours: str = DIVERGING,
) -> Axes:
    """Draw numbers for layers × kinds, layer 0 at the left.

    Parameters
    ----------
    table : DataFrame
        With the columns ``layer``, ``kind`` and `value`; rows without a layer are for tensors outside the layers, or for
        a kind in all layers.
    axes : Axes, optional
        Default: new ones, 640 pixels wide.
    value : str
        Column to draw.
    depth : int
        Number of layers.
    title : str
    limits : (float, float), optional
        Ends of the colour scale; default the largest number in the layers, on both sides of zero. What is outside the layers, where
        effects are often far larger, may be beyond.
    colours : str
        Colour map of matplotlib; default one for numbers of either sign.

    Returns
    -------
    Axes
    """
    kinds = kinds_of(table)
    axes = axes or theme.new_axes(height=HEAD + theme.BOTTOM + ROW * len(kinds), top=HEAD)
    theme.dress(axes, grid=False)
    for spine in axes.spines.values():
        spine.set_visible(False)
    theme.title(axes, theme.shortened(title, max(theme.letters(theme.pixels(axes)[0] + theme.RIGHT), 12)))
    outside = {str(k): float(v) for k, v in zip(table["kind"], table[value], strict=True) if k in OUTSIDE}
    columns = layer_axis(axes, depth, outside)
    axes.set_ylim(len(kinds) - 0.5, -0.5)
    axes.set_yticks(range(len(kinds)), [theme.plain(kind) for kind in kinds])
    axes.tick_params(axis="y", length=0)
    numbers = table[value].to_numpy(float)
    most = _find_most(numbers, np.array([name in OUTSIDE for name in _names(table)]))
    style: dict[str, Any] = {"cmap": matplotlib.colormaps[colours].with_extremes(bad=GROUND)}
    style["norm"] = Normalize(*(limits or (-most, most)))
    layers = table["layer"].to_numpy(dtype=float, na_value=np.nan)
    for row, kind in enumerate(kinds):
        cells = np.full(max(depth, 1), np.nan)
        for layer, own, number in zip(layers, _names(table), numbers, strict=True):
            if own == kind:
                cells[slice(None) if np.isnan(layer) else int(layer)] = number
        edges = np.arange(len(cells) + 1) - 0.5
        axes.pcolormesh(edges, [row - 0.46, row + 0.46], np.ma.masked_invalid([cells]), **style)
    for role, (left, right) in columns.items():
        axes.pcolormesh([left, right], [-0.46, len(kinds) - 0.54], np.ma.masked_invalid([[outside[role]]]), **style)
    _colour_bar(axes, ScalarMappable(style["norm"], style["cmap"]), numbers[np.isfinite(numbers)])
    return axes


def _find_most(numbers: np.ndarray, outside: np.ndarray) -> float:
    """The size of the largest number in the layers; without one, of those outside."""
    sizes = np.where(np.isfinite(numbers), np.abs(numbers), 0.0)
    return float(sizes[~outside].max(initial=0.0)) or float(sizes.max(initial=0.0)) or 1.0


def _colour_bar(axes: Axes, scale: ScalarMappable, numbers: np.ndarray) -> None:
    """A colour bar in the right margin, with a pointed end where numbers are beyond it."""
    look, width = theme.look_of(axes), theme.pixels(axes)[0]
    low, high = scale.get_clim()
    slack = 1e-6 * (high - low)
    ends = bool((numbers < low - slack).any()), bool((numbers > high + slack).any())
    extend = {(False, False): "neither", (True, False): "min", (False, True): "max", (True, True): "both"}[ends]
    place = axes.inset_axes((1 + 10 / width, 0.0, 12 / width, 1.0))
    bar = axes.figure.colorbar(scale, cax=place, extend=extend, extendfrac=0.12)
    bar.outline.set_visible(False)
    bar.ax.tick_params(colors=look.ink, labelsize=look.small, length=2)
