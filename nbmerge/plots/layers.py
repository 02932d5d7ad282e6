"""Curves over the layers, one for each parent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes

from nbmerge.plots import theme
from nbmerge.plots.axis import layer_axis
from nbmerge.plots.measures import MEASURES

if TYPE_CHECKING:
    import pandas as pd

WIDTH, HEIGHT = 640, 220
MARKED = 40
"""Layers up to which every one has a marker."""


def layer_curves(
    by_layer: pd.DataFrame,
    axes: Axes | None = None,
    *,
    what: str = "distance",
    outside: pd.DataFrame | None = None,
    colour: Mapping[str, str] | None = None,
) -> Axes:
    """Draw how far a merge is from each parent over its layers.

    Parameters
    ----------
    by_layer : DataFrame, shape (layers, parents)
        As `Changes.by_layer` gives it. A curve has gaps where a layer does not come from that parent.
    axes : Axes, optional
        Default: new ones, 640 pixels wide.
    what : "distance" or "cosine"
        What the numbers are.
    outside : DataFrame, shape (roles, parents), optional
        As `Changes.by_role` gives it: points for embedding, final norm and head beside the layers.
    colour : mapping of str to str, optional
        Colour of each parent, where it shall be the same as in other pictures; default `theme.colours`.

    Returns
    -------
    Axes
    """
    measure = MEASURES[what]
    names = [str(c) for c in by_layer.columns]
    if axes is None:
        above = 8 + theme.legend_height(names, WIDTH - theme.LEFT - theme.RIGHT)
        axes = theme.new_axes(WIDTH, HEIGHT + above, top=above)
    colour = theme.colours(names) | dict(colour or {})
    theme.dress(axes, ylabel=measure.label)
    columns = layer_axis(axes, len(by_layer), () if outside is None else outside.index)
    lines = []
    for i, name in enumerate(names):
        turn, k = divmod(i, len(theme.MARKERS))
        style: dict[str, Any] = {
            "color": colour[name],
            "linestyle": theme.DASHES[turn % len(theme.DASHES)],
            "linewidth": 1.6,
        }
        style |= {"marker": theme.MARKERS[k], "markersize": 4.5, "clip_on": False}
        values = by_layer.iloc[:, i].to_numpy(dtype=float) * measure.factor
        lines += axes.plot(np.arange(len(values)), values, **style, markevery=1 if len(values) <= MARKED else [])
        for role, (left, right) in columns.items():
            assert outside is not None  # else there are no such columns
            x = left + (right - left) * (i + 1) / (len(names) + 1)  # side by side, so that none hides another
            axes.plot([x], [outside.loc[role].iloc[i] * measure.factor], **style)
    low, high = measure.limits(by_layer, [] if outside is None else outside)
    air = 0.05 * (high - low)
    axes.set_ylim((low - air * (not measure.rising)) * measure.factor, (high + air * measure.rising) * measure.factor)
    axes.ticklabel_format(axis="y", style="plain", useOffset=False)
    if high - low < 1e-3:  # many digits
        axes.tick_params(axis="y", labelsize=theme.look_of(axes).small)
    theme.legend(axes, lines, names)
    return axes
