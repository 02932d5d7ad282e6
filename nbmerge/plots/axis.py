"""The x axis of everything that is drawn over the depth of a model."""

from __future__ import annotations

from collections.abc import Iterable

from matplotlib.axes import Axes

from nbmerge.plots.look import FONT, look_of
from nbmerge.plots.theme import pixels, px

COLUMN, SPACE = 34, 12
"""Width of a column for tensors outside the layers, and the space between these and the layers, in pixels."""
OUTSIDE = {
    "embedding": ("embed", True),
    "other": ("other", True),
    "final norm": ("norm", False),
    "head": ("head", False),
}
"""What lies outside the layers: its short name, and whether it stands before them."""


def layer_axis(axes: Axes, depth: int, outside: Iterable[str] = ()) -> dict[str, tuple[float, float]]:
    """Make x the layers 0 … depth−1, each one unit wide around its number, with columns for what lies outside them.

    Parameters
    ----------
    axes : Axes
    depth : int
        Number of layers.
    outside : iterable of str
        Roles outside the layers, of `OUTSIDE`.

    Returns
    -------
    dict of str to (float, float)
        Left and right edge of each role's column.
    """
    edges, limits, unit = _place(axes, depth, outside)
    axes.set_xlim(*limits)
    room = px(FONT) * 0.6 * len(str(depth)) + 8
    every = next((n for n in (1, 2, 4, 5, 8, 10, 20, 50) if n * unit >= room), 100)
    numbers = range(0, depth, every)
    centres = [sum(e) / 2 for e in edges.values()]
    axes.set_xticks([*numbers, *centres], [*map(str, numbers), *(OUTSIDE[r][0] for r in edges)])
    look = look_of(axes)
    for label in axes.get_xticklabels()[len(numbers) :]:
        label.set_fontsize(look.small)
    axes.set_xlabel("layer", color=look.ink, fontsize=look.font_size, labelpad=4 * look.scale)
    return edges


def outside_columns(axes: Axes, depth: int, outside: Iterable[str]) -> dict[str, tuple[float, float]]:
    """What `layer_axis` returns, of axes that have it already."""
    return _place(axes, depth, outside)[0]


def _place(
    axes: Axes, depth: int, outside: Iterable[str]
) -> tuple[dict[str, tuple[float, float]], tuple[float, float], float]:
    """Edges of each role's column, limits of the axis, and pixels of a layer."""
    outside = set(outside)
    before, after = ([r for r in OUTSIDE if r in outside and OUTSIDE[r][1] is first] for first in (True, False))
    layers = pixels(axes)[0] - COLUMN * len(outside) - SPACE * (bool(before) + bool(after))
    unit = max(layers, 20) / max(depth, 1)
    width, space = COLUMN / unit, SPACE / unit
    low, high = -0.5 - bool(before) * (space + len(before) * width), max(depth, 1) - 0.5 + bool(after) * space
    edges = {r: (low + i * width, low + (i + 1) * width) for i, r in enumerate(before)}
    edges |= {r: (high + i * width, high + (i + 1) * width) for i, r in enumerate(after)}
    return edges, (low, high + len(after) * width), unit
