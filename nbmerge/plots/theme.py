"""What all plots share: colours, sizes, fresh axes, and drawing.

By default figures are transparent and must read on JupyterLab's white (#ffffff) and dark (#111111) grounds alike, so every
colour here lies between the two: text has a contrast of 4.3 : 1 on both, lines at least 3 : 1. Other themes are in `look`.

Plots of one panel stand below each other. They share the left and right margins in pixels and the x axis of
`plots.axis`, so that one layer is in one column everywhere.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from nbmerge.palette import INK, PALETTE
from nbmerge.plots.figures import DPI, NotebookFigure
from nbmerge.plots.look import FONT, SMALL, Look, look_of

__all__ = ["DPI", "FONT", "INK", "PALETTE", "SMALL", "Look", "look_of"]

MARKERS = ("o", "s", "^", "D", "v", "P")
"""One marker per model, so that a line never depends on its colour alone."""
DASHES = ("solid", (0, (5, 1.5)), (0, (1.5, 1.2)))
"""Line styles, one for each round through the palette."""
SEQUENTIAL = "viridis"
"""Colour map of amounts: even in lightness, and no end of it is white or black."""

LEFT, RIGHT, TOP, BOTTOM = 84, 84, 12, 42
"""Margins around the axes in pixels; the left one holds words or long numbers, the right one a colour bar."""

SAMPLE, LINE = 48, 18
"""Width of a legend's sample with the space around it, and height of a line of it, in pixels."""
NAME_GAP = 20
"""Pixels of a margin that names leave free: between them and what they name, and for wide letters."""
MANY_NAMES = 5
"""Entries of a legend from which on it has at least two columns, with long names shortened."""
SHORTEST = 20
"""Letters of a name in such a legend, at least."""
MOST_NAMES = 24
"""Entries of a legend; of more, how many there are."""


def new_axes(
    width: int = 640, height: int = 240, *, top: int = TOP, right: int = RIGHT, look: Look | None = None
) -> Axes:
    """Axes in a figure of their own.

    Parameters
    ----------
    width, height : int
        Of the whole figure, in CSS pixels.
    top, right : int
        Margins in pixels, where a plot needs other ones.
    look : Look, optional
    """
    return stack_axes([(height - top - BOTTOM, top, BOTTOM)], width, right=right, look=look)[0]


def stack_axes(
    rows: Sequence[tuple[float, float, float]], width: float = 640, *, right: int = RIGHT, look: Look | None = None
) -> list[Axes]:
    """Axes below each other in one figure, with the same left and right edges.

    Parameters
    ----------
    rows : sequence of (float, float, float)
        Height of the axes, of the room above them and of the room below them, in CSS pixels; the rooms grow with the text.
    width : float
        Of the whole figure, in CSS pixels.
    right : int
        Right margin in pixels.
    look : Look, optional
    """
    look = look or Look()
    left, right = round(LEFT * look.scale), round(right * look.scale)
    rows = [(max(inner, 20), above * look.scale, below * look.scale) for inner, above, below in rows]
    height = sum(map(sum, rows))
    figure = NotebookFigure(width, height, look)
    made, y = [], height
    for inner, above, below in rows:
        y -= above + inner
        made.append(figure.add_axes((left / width, y / height, max(width - left - right, 20) / width, inner / height)))
        y -= below
    return made


def dress(axes: Axes, *, xlabel: str = "", ylabel: str = "", grid: bool = True) -> Axes:
    """Give axes the common look: text and lines in the figure's ink, no ground, no box."""
    look = look_of(axes)
    axes.set_facecolor("none")
    axes.set_xlabel(xlabel, color=look.ink, fontsize=look.font_size, labelpad=4 * look.scale)
    axes.set_ylabel(ylabel, color=look.ink, fontsize=look.font_size, labelpad=4 * look.scale)
    axes.tick_params(colors=look.ink, labelsize=look.font_size, length=3 * look.scale, pad=3.5 * look.scale)
    for side, spine in axes.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set_color(look.ink)
    if grid:
        axes.grid(axis="y", color=look.ink, alpha=0.25, linewidth=0.8)
        axes.set_axisbelow(True)
    return axes


def title(axes: Axes, text: str, above: float = 0) -> None:
    """A title over the left end of axes, or over so many pixels of something else."""
    look = look_of(axes)
    pad = (6 + above * 72 / DPI) * look.scale
    axes.set_title(plain(text), loc="left", color=look.ink, fontsize=look.font_size, pad=pad)


def colours(names: Iterable[str]) -> dict[str, str]:
    """A colour for each name, by its place."""
    return {name: PALETTE[i % len(PALETTE)] for i, name in enumerate(names)}


def pixels(axes: Axes) -> tuple[float, float]:
    """Width and height of the axes in CSS pixels, relative to the text: larger text leaves fewer of them."""
    scale = DPI / axes.figure.dpi / look_of(axes).scale
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


def name_rows(axes: Axes, names: Sequence[str]) -> None:
    """Names of models in the left margin, beside rows 0, 1, 2, …: in small letters, and shortened where they do not fit."""
    room = letters(LEFT - NAME_GAP, SMALL)
    axes.set_yticks(range(len(names)), [plain(shortened(name, room)) for name in names], fontsize=look_of(axes).small)
    axes.tick_params(axis="y", length=0)


def legend(axes: Axes, handles: Sequence[Artist], names: Sequence[str]) -> None:
    """A legend above the axes, where it hides nothing, in as many columns as fit."""
    width, look = pixels(axes)[0], look_of(axes)
    if len(names) > MOST_NAMES:
        rest = f"and {len(names) - MOST_NAMES + 1} more"
        handles, names = [*handles[: MOST_NAMES - 1], Line2D([], [], alpha=0)], [*names[: MOST_NAMES - 1], rest]
    columns = _columns(names, width)
    room = max(12, letters(width / columns - SAMPLE))
    box = axes.legend(
        handles,
        [plain(shortened(n, room)) for n in names],
        loc="lower left",
        bbox_to_anchor=(0.0, 1.0),
        ncols=columns,
        frameon=False,
        fontsize=look.font_size,
        borderaxespad=0.2,
        borderpad=0.2,
        labelspacing=0.35,
        columnspacing=1.2,
    )
    for text in box.get_texts():
        text.set_color(look.ink)


def legend_height(names: Sequence[str], width: float) -> int:
    """Pixels that a legend above axes of some width needs, both relative to the text."""
    names = names[:MOST_NAMES]
    return math.ceil(len(names) / _columns(names, width)) * LINE


def _columns(names: Sequence[str], width: float) -> int:
    longest = letters(width) if not names else max(len(n) for n in names)
    two_fit = len(names) >= MANY_NAMES and letters(width / 2 - SAMPLE) >= SHORTEST
    return max(2 if two_fit else 1, min(len(names), int(width // (longest * px(FONT) * 0.6 + SAMPLE))))
