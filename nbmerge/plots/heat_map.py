"""Layers × kinds of tensor as a heat map: where in the depth of a model something happened."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.ticker import FuncFormatter, MaxNLocator

from nbmerge.plots import theme
from nbmerge.plots.axis import OUTSIDE, layer_axis
from nbmerge.plots.measures import MEASURES, Measure

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import ArrayLike

ROW = 40
"""Height of a row in axes of our own, in pixels."""
HEAD = 28
"""Margin for the title, in pixels."""
STRIP = 0.46
"""Half the height of a row's cells; the rest is left free between rows."""
GAP, BAR = 10, 12
"""Space before the colour bar, and its width, in pixels."""


def heatmap(
    grid: pd.DataFrame,
    axes: Axes | None = None,
    *,
    what: str = "distance",
    parent: str = "",
    outside: Mapping[str, float] | None = None,
    limits: tuple[float, float] | None = None,
) -> Axes:
    """Draw layers × kinds, layer 0 at the left.

    Parameters
    ----------
    grid : DataFrame, shape (layers, kinds)
        As `Changes.grid` gives it. Cells without a number stay blank.
    axes : Axes, optional
        Default: new ones, 640 pixels wide.
    what : "distance" or "cosine"
        What the numbers are: gives the labels, and what counts as a great change.
    parent : str
        The model that the merge is compared to, for the title.
    outside : mapping of str to float, optional
        As `Changes.outside` gives it: columns for embedding, final norm and head beside the layers.
    limits : (float, float), optional
        Lowest and highest number of the colour scale, so that several maps can be compared.

    Returns
    -------
    Axes
    """
    measure = MEASURES[what]
    outside = {role: value for role, value in dict({} if outside is None else outside).items() if role in OUTSIDE}
    numbers = grid.to_numpy(dtype=float).T
    rows, depth = numbers.shape
    if axes is None:
        axes = theme.new_axes(height=HEAD + theme.BOTTOM + ROW * max(rows, 2), top=HEAD)
    theme.dress(axes, grid=False)
    for spine in axes.spines.values():
        spine.set_visible(False)
    columns = layer_axis(axes, depth, outside)
    axes.set_ylim(max(rows, 1) - 0.5, -0.5)
    axes.set_yticks(range(rows), [theme.plain(str(k)) for k in grid.columns])
    axes.tick_params(axis="y", length=0)
    room = theme.letters(theme.pixels(axes)[0]) - len(measure.title(" "))
    theme.title(axes, measure.title(theme.shortened(parent, max(room, 8))))
    cells = _Cells(axes, measure, limits or measure.limits(numbers, np.array(list(outside.values()))))
    for row in range(rows):
        cells.draw(numbers[row], np.arange(depth + 1) - 0.5, row - STRIP, row + STRIP)
    for role, edges in columns.items():
        cells.draw([outside[role]], edges, -STRIP, max(rows, 1) - 1 + STRIP)
    cells.colour_bar()
    return axes


@dataclass
class _Cells:
    """Coloured cells with their numbers."""

    axes: Axes
    measure: Measure
    limits: tuple[float, float]

    def __post_init__(self) -> None:
        colours = theme.SEQUENTIAL if self.measure.rising else f"{theme.SEQUENTIAL}_r"
        self.norm = Normalize(*self.limits)
        self.scale = ScalarMappable(self.norm, matplotlib.colormaps[colours])

    def draw(self, numbers: ArrayLike, edges: ArrayLike, low: float, high: float) -> None:
        """A row of cells, with numbers where there is room: level, else upright, else none."""
        numbers, edges = np.asarray(numbers, dtype=float), np.asarray(edges, dtype=float)
        if not len(numbers):
            return
        shown = np.ma.masked_invalid([numbers])
        self.axes.pcolormesh(edges, [low, high], shown, cmap=self.scale.cmap, norm=self.norm)
        texts = [self.measure.write(x, self.limits) for x in numbers]
        rotation = self._rotation(max(map(len, texts)), abs(edges[1] - edges[0]), high - low)
        if rotation is None:
            return
        look = theme.look_of(self.axes)
        style: dict[str, Any] = {
            "ha": "center",
            "va": "center",
            "rotation": rotation,
            "fontsize": look.small,
            "clip_on": True,
        }
        for i, (number, text) in enumerate(zip(numbers, texts, strict=True)):
            ink = readable_ink(tuple(self.scale.to_rgba(number))) if np.isfinite(number) else look.ink
            self.axes.text((edges[i] + edges[i + 1]) / 2, (low + high) / 2, text, color=ink, **style)

    def _rotation(self, letters: int, across: float, down: float) -> int | None:
        """How numbers fit a cell, whose sizes are in units of the axes."""
        width, height = theme.pixels(self.axes)
        (left, right), (bottom, top) = self.axes.get_xlim(), self.axes.get_ylim()
        across, down = across * width / (right - left), down * height / abs(top - bottom)
        long, tall = theme.px(theme.SMALL) * 0.62 * letters + 3, theme.px(theme.SMALL) + 2
        if long <= across and tall <= down:
            return 0
        return 90 if tall <= across and long <= down else None

    def colour_bar(self) -> None:
        """A colour bar in the right margin; the axes keep their width."""
        width, height = theme.pixels(self.axes)
        place = self.axes.inset_axes((1 + GAP / width, 0.0, BAR / width, 1.0))
        bar = self.axes.figure.colorbar(self.scale, cax=place)
        bar.outline.set_visible(False)
        bar.locator = MaxNLocator(nbins=max(2, min(5, int(height // 26))))
        bar.formatter = FuncFormatter(lambda x, _: self.measure.write(x, self.limits))
        bar.update_ticks()
        look = theme.look_of(self.axes)
        place.tick_params(colors=look.ink, labelsize=look.small, length=2)
        place.set_title(self.measure.unit, loc="left", color=look.ink, fontsize=look.small, pad=6 * look.scale)


def readable_ink(ground: tuple[float, ...]) -> str:
    """Black or white, whichever stands out more (WCAG relative luminance)."""
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in ground[:3])
    return "#ffffff" if 0.2126 * red + 0.7152 * green + 0.0722 * blue < 0.179 else "#000000"
