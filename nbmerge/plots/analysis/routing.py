"""Shares of the experts of a mixture by layer, as bars on top of each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes

from nbmerge.errors import ArgumentError
from nbmerge.plots import theme
from nbmerge.plots.axis import layer_axis
from nbmerge.plots.figures import NotebookFigure
from nbmerge.plots.look import FONT, Look, Theme
from nbmerge.plots.pictures import LEGEND_GAP, WIDTH, Row, Sheet

if TYPE_CHECKING:
    from nbmerge.mixtures import Routing

HEIGHT, HEAD = 120, 26
"""Height of a text's bars and of the room for its title, in pixels."""
MOST_TEXTS = 12
"""Texts of one figure."""
GAP = 0.12
"""Room between bars, as a share of a layer."""
NARROWEST = 8
"""Pixels of a layer from which on there is room between bars."""
HATCHES = ("", "////", "....", "xxxx")
"""Over the colours of the palette, one for each round through it."""


def plot_routing(
    found: Routing, what: Literal["weight", "chosen"] = "weight", *, theme: Theme = "auto", width: float = WIDTH,
    font_size: float = FONT,
) -> NotebookFigure:  # fmt: skip
    """See `Routing.plot`."""
    if len(found.texts) > MOST_TEXTS:
        raise ArgumentError(f"a figure has room for {MOST_TEXTS} texts, not {len(found.texts)}. Measure fewer of them.")
    sheet = Sheet(Look(theme, font_size), width)
    values = found.weights if what == "weight" else found.chosen / found.per_token
    return sheet.draw([_row(sheet, found, values[i], i) for i in range(len(found.texts))])


def _row(sheet: Sheet, found: Routing, values: np.ndarray, number: int) -> Row:
    """The bars of one text; the first has the legend."""
    above = HEAD + (LEGEND_GAP + theme.legend_height(found.experts, sheet.inner) if number == 0 else 0)

    def draw(axes: Axes) -> None:
        routing_bars(values, axes, experts=found.experts, legend=not number, title=found.texts[number])

    return Row(HEIGHT, above, draw)


def routing_bars(
    values: np.ndarray, axes: Axes | None = None, *, experts: Sequence[str], legend: bool = True, title: str = ""
) -> Axes:
    """Draw the share of each expert by layer.

    Parameters
    ----------
    values : ndarray, shape (layers, experts)
        Shares; those of a layer sum to 1.
    axes : Axes, optional
        Default: new ones, 640 pixels wide.
    experts : sequence of str
        Names.
    legend : bool
        Whether to explain the colours.
    title : str
        Written above.

    Returns
    -------
    Axes
    """
    if axes is None:
        above = HEAD + theme.legend_height(list(experts), 640 - theme.LEFT - theme.RIGHT)
        axes = theme.new_axes(height=HEIGHT + above + theme.BOTTOM, top=above)
    theme.dress(axes, ylabel="share, %")
    layer_axis(axes, len(values))
    has_room = theme.pixels(axes)[0] / max(len(values), 1) >= NARROWEST
    tops = 100 * values.cumsum(axis=1)
    bars = [_draw_shares(axes, i, tops[:, i] - 100 * values[:, i], tops[:, i], has_room) for i in range(len(experts))]
    axes.set_ylim(0, 100)
    axes.set_yticks(range(0, 101, 25))  # the same for all texts, whatever room they have
    width = theme.pixels(axes)[0]
    if legend:
        theme.legend(axes, bars, experts)
    if title:
        text = theme.shortened(" ".join(title.split()), theme.letters(width))
        theme.title(axes, text, theme.legend_height(experts, width) if legend else 0)
    return axes


def _draw_shares(axes: Axes, i: int, low: np.ndarray, high: np.ndarray, has_room: bool) -> Artist:
    """The share of the i-th expert in all layers: a bar for each, or one shape where bars would be too narrow."""
    style = _style_of(i)
    if has_room:
        return axes.bar(np.arange(len(low)), high - low, 1 - GAP, bottom=low, **style)[0]
    return axes.stairs(high, np.arange(len(low) + 1) - 0.5, baseline=low, fill=True, antialiased=False, **style)


def _style_of(i: int) -> dict[str, Any]:
    """How the bars of the i-th expert are filled: mixtures often have more experts than there are colours."""
    turn, place = divmod(i, len(theme.PALETTE))
    # edges have no width: their colour is that of the hatch
    return {
        "facecolor": theme.PALETTE[place],
        "edgecolor": "#ffffff",
        "linewidth": 0,
        "hatch": HATCHES[turn % len(HATCHES)],
    }
