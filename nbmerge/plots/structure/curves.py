"""Curves of several models: a colour and a marker for each, the same in all plots of a figure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from nbmerge.plots import theme

HEIGHT = 170
"""Height of the axes of curves in pixels."""
ABOVE = 10
"""Room above a legend in pixels."""
MARKED = 40
"""Points up to which each has a marker."""


def style_of(i: int) -> dict[str, Any]:
    """How the curve of the i-th model is drawn."""
    turn, place = divmod(i, len(theme.MARKERS))
    style: dict[str, Any] = {"color": theme.PALETTE[i % len(theme.PALETTE)], "linewidth": 1.6, "clip_on": False}
    return style | {
        "marker": theme.MARKERS[place],
        "markersize": 4,
        "linestyle": theme.DASHES[turn % len(theme.DASHES)],
    }


def draw_curve(axes: Axes, i: int, x: np.ndarray, y: np.ndarray, **changes: Any) -> Line2D:
    """Draw the curve of the i-th model."""
    style = style_of(i) | {"markevery": 1 if len(x) <= MARKED else max(1, len(x) // 16)} | changes
    return axes.plot(x, y, **style)[0]


def new_axes(names: Sequence[str], height: int = HEIGHT) -> Axes:
    """Axes of their own, with room for a legend."""
    above = ABOVE + theme.legend_height(names, 640 - theme.LEFT - theme.RIGHT)
    return theme.new_axes(height=height + above + theme.BOTTOM, top=above)


def dashed_sample(axes: Axes) -> Artist:
    """What a legend shows for all dashed lines."""
    return Line2D([], [], color=theme.look_of(axes).ink, linestyle="--", linewidth=1.2)
