"""The lineage of a model as a tree."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from matplotlib.axes import Axes

from nbmerge.plots import theme
from nbmerge.plots.figures import NotebookFigure
from nbmerge.plots.look import FONT, Look, Theme
from nbmerge.plots.pictures import NARROW, WIDTH, Row, Sheet

if TYPE_CHECKING:
    from nbmerge.statistics.structure import Lineage

LINE, STEP = 30, 22
"""Height of a line of a tree, and the indentation of a generation, in pixels."""
MOST = 60
"""Lines of a tree that are drawn."""


def plot_lineage(
    lineage: Lineage, *, theme: Theme = "auto", width: float = WIDTH, font_size: float = FONT
) -> NotebookFigure:
    """See `Lineage.plot`."""
    sheet = Sheet(Look(theme, font_size), width, NARROW)
    lines = list(lineage.lines())
    if len(lines) > MOST:
        lines = [*lines[:MOST], (0, f"… and {len(lines) - MOST} more", "")]
    return sheet.draw([Row(LINE * len(lines), 10, lambda axes: _draw(lines, axes))])


def _draw(lines: list[tuple[int, str, str]], axes: Axes) -> Axes:
    axes.set_axis_off()
    look, (width, _) = theme.look_of(axes), theme.pixels(axes)
    left = -theme.LEFT + 12
    axes.set_xlim(0, width)
    axes.set_ylim(len(lines) - 0.5, -0.5)
    style: dict[str, Any] = {"va": "center", "clip_on": False}
    for row, (depth, name, how) in enumerate(lines):
        x = left + STEP * depth
        if depth:
            above = next(r for r in reversed(range(row)) if lines[r][0] == depth - 1)
            corner = x - STEP + 6
            axes.plot(
                [corner, corner, x - 4], [above + 0.3, row - 0.1, row - 0.1], color=look.ink, linewidth=1, clip_on=False
            )
        room = max(theme.letters(width - x), 16)
        axes.text(
            x, row - 0.12, theme.plain(theme.shortened(name, room)), color=look.ink, fontsize=look.font_size, **style
        )
        axes.text(
            x,
            row + 0.3,
            theme.plain(theme.shortened(how, room)),
            color=look.ink,
            fontsize=look.small,
            alpha=0.8,
            **style,
        )
    return axes
