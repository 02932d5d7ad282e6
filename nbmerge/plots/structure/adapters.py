"""What an adapter that was written holds, by rank and by layer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes

from nbmerge.errors import ArgumentError
from nbmerge.plots.figures import NotebookFigure
from nbmerge.plots.look import FONT, Look, Theme, look_of
from nbmerge.plots.pictures import NARROW, WIDTH, Row, Sheet
from nbmerge.plots.structure.curves import ABOVE, HEIGHT
from nbmerge.plots.structure.part_maps import part_maps
from nbmerge.plots.structure.spectra import POINTS, adapter_curves
from nbmerge.plots.theme import legend_height, shortened

if TYPE_CHECKING:
    import pandas as pd

    from nbmerge.adapters import AdapterReport

WHAT = ("rank", "error")
BRIEF = 40
"""Letters of what the adapter is of, in a title."""


def plot_adapter(
    report: AdapterReport, what: str = "rank", *, theme: Theme = "auto", width: float = WIDTH, font_size: float = FONT
) -> NotebookFigure:
    """See `AdapterReport.plot`."""
    if what not in WHAT:
        raise ArgumentError(f"what must be one of {', '.join(WHAT)}, not {what!r}.")
    look = Look(theme, font_size)
    if what == "error":
        table = (100 * report.summary).stack(future_stack=True).dropna().rename("error").reset_index()
        title = f"error of the adapter, % of ‖δ‖ of {shortened(report.subject, BRIEF)}"
        return Sheet(look, width).draw(part_maps(table, {"error": title}, report.depth))
    sheet = Sheet(look, width, NARROW)
    ranks = np.unique(np.geomspace(1, max(report.known_rank, 1), POINTS).astype(int))
    table = report.kept(ranks.tolist())
    above = ABOVE + legend_height([str(kind) for kind in table.index], sheet.inner)
    written = sorted(report.ranks.values())
    return sheet.draw([Row(HEIGHT, above, lambda axes: _draw_ranks(table, (written[0], written[-1]), axes))])


def _draw_ranks(table: pd.DataFrame, written: tuple[int, int], axes: Axes) -> None:
    """What adapters of each rank hold, with the ranks of the one that was written."""
    adapter_curves(table, axes)
    look, (low, high) = look_of(axes), written
    axes.axvspan(low, high, color=look.ink, alpha=0.15, linewidth=0, zorder=0)
    axes.axvline(low, color=look.ink, linewidth=1, linestyle=(0, (4, 3)), zorder=1)
    words = f"written: rank {low}" if low == high else f"written: ranks {low} to {high}"
    is_left = low > table.columns[-1] ** 0.5  # the middle of the logarithmic axis
    axes.annotate(
        words,
        (low, 0),
        xytext=(-4 if is_left else 4, 5),
        textcoords="offset points",
        ha="right" if is_left else "left",
        color=look.ink,
        fontsize=look.small,
    )
