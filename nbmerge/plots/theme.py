"""What all plots share: colours, sizes, fresh axes, and drawing.

Figures are transparent and must read on JupyterLab's white (#ffffff) and dark (#111111) grounds alike, so every colour
here lies between the two: text has a contrast of 4.3 : 1 on both, lines at least 3 : 1.

Plots of one panel stand below each other. They share the left and right margins in pixels and the x axis of
`plots.axis`, so that one layer is in one column everywhere.
"""

from __future__ import annotations

import io
import math
import threading
from collections.abc import Iterable, Sequence

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

INK = "#797979"
"""Text and axes: the grey of equal contrast on white and on #111111."""
PALETTE = ("#2b88d9", "#e8501e", "#a8327f", "#0a9d7a", "#7a3df0", "#a68d5b")
"""One colour per model, in order; apart for the three kinds of colour blindness, at times by lightness alone."""
MARKERS = ("o", "s", "^", "D", "v", "P")
"""One marker per model, so that a line never depends on its colour alone."""
DASHES = ("solid", (0, (5, 1.5)), (0, (1.5, 1.2)))
"""Line styles, one for each round through the palette."""
SEQUENTIAL = "viridis"
"""Colour map of amounts: even in lightness, and no end of it is white or black."""

FONT = 9.0
"""Points; 12 px at 1 : 1, like JupyterLab's own text."""
SMALL = 7.5
"""Points; 10 px, for numbers inside a picture."""
DPI = 96
"""Dots per inch at which one dot is one CSS pixel."""
LEFT, RIGHT, TOP, BOTTOM = 84, 84, 12, 42
"""Margins around the axes in pixels; the left one holds words or long numbers, the right one a colour bar."""

SAMPLE, LINE = 48, 18
"""Width of a legend's sample with the space around it, and height of a line of it, in pixels."""

_DRAWING = threading.Lock()


def new_axes(width: int = 640, height: int = 240, *, top: int = TOP, right: int = RIGHT) -> Axes:
    """Axes in a figure of their own.

    Parameters
    ----------
    width, height : int
        Of the whole figure, in CSS pixels.
    top, right : int
        Margins in pixels, where a plot needs other ones.
    """
    figure = Figure(figsize=(width / DPI, height / DPI), dpi=DPI, facecolor="none")
    FigureCanvasAgg(figure)
    across, down = max(width - LEFT - right, 20), max(height - top - BOTTOM, 20)
    return figure.add_axes((LEFT / width, BOTTOM / height, across / width, down / height))


def dress(axes: Axes, *, xlabel: str = "", ylabel: str = "", grid: bool = True) -> Axes:
    """Give axes the common look: grey text and lines, no ground, no box."""
    axes.set_facecolor("none")
    axes.set_xlabel(xlabel, color=INK, fontsize=FONT)
    axes.set_ylabel(ylabel, color=INK, fontsize=FONT)
    axes.tick_params(colors=INK, labelsize=FONT, length=3)
    for side, spine in axes.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set_color(INK)
    if grid:
        axes.grid(axis="y", color=INK, alpha=0.25, linewidth=0.8)
        axes.set_axisbelow(True)
    return axes


def colours(names: Iterable[str]) -> dict[str, str]:
    """A colour for each name, by its place."""
    return {name: PALETTE[i % len(PALETTE)] for i, name in enumerate(names)}


def pixels(axes: Axes) -> tuple[float, float]:
    """Width and height of the axes in CSS pixels."""
    scale = DPI / axes.figure.dpi
    return float(axes.bbox.width * scale), float(axes.bbox.height * scale)


def shortened(name: str, letters: int = 32) -> str:
    """A long name with its middle left out: both the family and the version stay readable."""
    if len(name) <= letters:
        return name
    head = (letters - 1) * 2 // 3
    return f"{name[:head]}…{name[len(name) - (letters - 1 - head) :]}"


def plain(text: str) -> str:
    """Text as it is: matplotlib would read a pair of dollar signs as a formula."""
    return text.replace("$", r"\$")


def px(points: float) -> float:
    """A font's size in pixels."""
    return points * DPI / 72


def letters(room: float, points: float = FONT) -> int:
    """How many letters of a mean width fit into some pixels."""
    return int(room // (px(points) * 0.6))


def legend(axes: Axes, handles: Sequence[Artist], names: Sequence[str]) -> None:
    """A legend above the axes, where it hides nothing, in as many columns as fit."""
    width = pixels(axes)[0]
    columns = _columns(names, width)
    room = max(12, letters(width / columns - SAMPLE))
    box = axes.legend(
        handles,
        [plain(shortened(n, room)) for n in names],
        loc="lower left",
        bbox_to_anchor=(0.0, 1.0),
        ncols=columns,
        frameon=False,
        fontsize=FONT,
        borderaxespad=0.2,
        borderpad=0.2,
        labelspacing=0.35,
        columnspacing=1.2,
    )
    for text in box.get_texts():
        text.set_color(INK)


def legend_height(names: Sequence[str], width: float) -> int:
    """Pixels that a legend above axes of some width needs."""
    return math.ceil(len(names) / _columns(names, width)) * LINE


def _columns(names: Sequence[str], width: float) -> int:
    longest = letters(width) if not names else max(len(n) for n in names)
    return max(1, min(len(names), int(width // (longest * px(FONT) * 0.6 + SAMPLE))))


def to_png(figure: Figure | Axes, dpi: float = DPI) -> bytes:
    """Draw a figure; safe from any thread.

    Parameters
    ----------
    figure : Figure or Axes
    dpi : float
        96 gives one dot per CSS pixel; twice that is sharp on dense screens, shown at half its size.

    Returns
    -------
    bytes
        A PNG with a transparent ground; the same figure always gives the same bytes.
    """
    whole = figure.figure.figure  # of axes, also within a subfigure; a figure's figure is itself
    buffer = io.BytesIO()
    with _DRAWING:  # matplotlib's text and image code is not made for several threads
        whole.savefig(buffer, format="png", dpi=dpi, metadata={"Software": None})
    return buffer.getvalue()
