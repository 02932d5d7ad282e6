"""Gradients over the layers: what each layer, and each tensor outside the layers, gets of a parameter."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Sequence
from typing import Any

from matplotlib.artist import Artist
from matplotlib.axes import Axes

from nbmerge.plots import theme
from nbmerge.plots.axis import layer_axis, outside_columns
from nbmerge.plots.gradient_values import Dash, Gradient

WIDTH, HEIGHT = 640, 200
DOTTED = 40
"""Layers up to which every one has a dot."""
AIR = 0.06
"""Share of the range that is left free above and below."""
ABOVE = 3
"""zorder of lines; only a legend, outside of the axes, lies higher."""
END_GAP = 8
"""Pixels between the axes and the words beside 0 and 1."""


def gradients(
    lines: Sequence[Gradient],
    axes: Axes | None = None,
    *,
    depth: int | None,
    parameter: str = "",
    ends: tuple[str, str] = ("", ""),
    outside: Iterable[str] | None = None,
    span: tuple[float, float] | None = None,
) -> Axes:
    """Draw gradients over the layers.

    A dot stands for what a layer gets, a ring for a value of the recipe's list, a diamond for a tensor outside the layers;
    a band spans the values within a layer.

    Parameters
    ----------
    lines : sequence of Gradient
    axes : Axes, optional
        Default: new ones, 640 pixels wide.
    depth : int, optional
        Number of layers; None where the lines run from 0 to 1, the depth of a model that has not been looked at.
    parameter : str
        Name on the y axis.
    ends : (str, str)
        What the values 0 and 1 mean, written beside them.
    outside : iterable of str, optional
        Roles outside the layers that get a column; default those that the lines have values for.
    span : (float, float), optional
        Lowest and highest value shown; default 0 to 1 and whatever lies beyond.

    Returns
    -------
    Axes
    """
    names = [line.label for line in lines]
    if axes is None:
        above = 8 + theme.legend_height(names, WIDTH - theme.LEFT - theme.RIGHT)
        axes = theme.new_axes(WIDTH, HEIGHT + above + theme.BOTTOM, top=above)
    theme.dress(axes, ylabel=theme.plain(parameter))
    roles = {role for line in lines for role in line.outside} if outside is None else set(outside)
    columns = _nominal_axis(axes) if depth is None else layer_axis(axes, depth, roles)
    low, high = span or value_range(lines)
    air = AIR * (high - low)
    axes.set_ylim(low - air, high + air)
    _guides(axes, ends)
    handles = [_draw(axes, line, _twins(lines, i), columns)[0] for i, line in enumerate(lines)]
    if len(lines) > 1 or parameter not in names:
        theme.legend(axes, handles, names)
    return axes


def redraw_lines(lines: Sequence[Gradient], axes: Axes, depth: int | None, outside: Iterable[str]) -> list[Artist]:
    """Draw other lines in place of those that `gradients` has drawn; both have the same `frame_of`.

    Parameters
    ----------
    lines, axes, depth, outside
        As in `gradients`.

    Returns
    -------
    list of Artist
        All that was drawn.
    """
    for former in [drawn for drawn in axes.lines if drawn.get_zorder() >= ABOVE]:
        former.remove()
    columns = {} if depth is None else outside_columns(axes, depth, outside)
    return [artist for i, line in enumerate(lines) for artist in _draw(axes, line, _twins(lines, i), columns)]


def frame_of(lines: Sequence[Gradient]) -> Hashable:
    """What axis and legend of `gradients` depend on; None where bands of lines lie below the axes' own."""
    if any(map(_has_band, lines)):
        return None
    return value_range(lines), tuple(
        (g.label, g.colour, _dash(g, _twins(lines, i)), _dots(g)) for i, g in enumerate(lines)
    )


def value_range(lines: Iterable[Gradient]) -> tuple[float, float]:
    """From 0 to 1, and beyond as far as the lines go."""
    values = [v for g in lines for v in (*g.y, *g.outside.values(), *(y for _, y in g.knots)) if math.isfinite(v)]
    return min([0.0, *values]), max([1.0, *values])


def _nominal_axis(axes: Axes) -> dict[str, tuple[float, float]]:
    look = theme.look_of(axes)
    axes.set_xlim(-0.02, 1.02)
    axes.set_xticks([0, 0.25, 0.5, 0.75, 1], ["first layer", "¼", "½", "¾", "last layer"])
    axes.set_xlabel("depth", color=look.ink, fontsize=look.font_size, labelpad=4 * look.scale)
    return {}


def _guides(axes: Axes, ends: tuple[str, str]) -> None:
    """Lines at 0 and 1 where the picture goes beyond them, and what they mean at their right ends."""
    look, (low, high) = theme.look_of(axes), axes.get_ylim()
    for level, words in zip((0.0, 1.0), ends, strict=True):
        if low <= level <= high:
            axes.axhline(level, color=look.ink, alpha=0.6, linewidth=0.9 * look.scale)
        if words:
            text = theme.plain(theme.shortened(words, theme.letters(theme.RIGHT - theme.NAME_GAP, theme.SMALL)))
            style: dict[str, Any] = {"xycoords": ("axes fraction", "data"), "textcoords": "offset points"}
            style |= {"color": look.ink, "fontsize": look.small, "annotation_clip": False, "va": "center"}
            axes.annotate(text, (1, level), (END_GAP * 0.75, 0), **style)


def _twins(lines: Sequence[Gradient], i: int) -> int:
    """How many earlier lines have the same points, and would be hidden by this one."""
    return sum(list(other.y) == list(lines[i].y) and list(other.x) == list(lines[i].x) for other in lines[:i])


def _has_band(line: Gradient) -> bool:
    return any(low < high for low, high in line.spread)


def _dots(line: Gradient) -> str:
    """The marker of each layer."""
    return "o" if len(line.x) <= DOTTED and line.spread else ""


def _dash(line: Gradient, twins: int) -> Dash:
    """Of a line over twins, stripes that show the line below."""
    return (2 * twins, (2.0, 2.0 * twins)) if twins else line.dash


def _draw(axes: Axes, line: Gradient, twins: int, columns: dict[str, tuple[float, float]]) -> list[Artist]:
    """One line with its dots, rings, diamonds and band; first what stands for it in a legend."""
    scale = theme.look_of(axes).scale
    style: dict[str, Any] = {"color": line.colour, "zorder": ABOVE, "clip_on": False}
    drawn: list[Artist] = []
    if _has_band(line):
        lows, highs = zip(*line.spread, strict=True)
        drawn.append(axes.fill_between(line.x, lows, highs, color=line.colour, alpha=0.2, linewidth=0))
    drawn[:0] = axes.plot(
        line.x, line.y, marker=_dots(line), markersize=3.4 * scale, linestyle=_dash(line, twins),
        linewidth=2 * scale, **style,
    )  # fmt: skip
    if 0 < len(line.knots) <= DOTTED:
        drawn += axes.plot(
            *zip(*line.knots, strict=True), "o", markersize=6 * scale, markeredgewidth=1.4 * scale,
            markerfacecolor=_ground(axes), **style | {"zorder": ABOVE + 1},
        )  # fmt: skip
    for role, value in line.outside.items():
        if role in columns:
            drawn += axes.plot([sum(columns[role]) / 2], [value], "D", markersize=5 * scale, alpha=0.9, **style)
    return drawn


def _ground(axes: Axes) -> str:
    """What a ring is filled with; over a transparent ground, nothing."""
    return theme.look_of(axes).ground
