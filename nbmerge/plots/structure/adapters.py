"""What an adapter that was written holds, by rank and by layer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from nbmerge.errors import ArgumentError
from nbmerge.plots.figures import NotebookFigure
from nbmerge.plots.look import FONT, Look, Theme
from nbmerge.plots.pictures import NARROW, WIDTH, Row, Sheet
from nbmerge.plots.structure.curves import ABOVE, HEIGHT
from nbmerge.plots.structure.part_maps import part_maps
from nbmerge.plots.structure.spectra import POINTS, adapter_curves
from nbmerge.plots.theme import legend_height

if TYPE_CHECKING:
    from nbmerge.adapters import AdapterReport

WHAT = ("rank", "error")


def plot_adapter(
    report: AdapterReport, what: str = "rank", *, theme: Theme = "auto", width: float = WIDTH, font_size: float = FONT
) -> NotebookFigure:
    """See `AdapterReport.plot`."""
    if what not in WHAT:
        raise ArgumentError(f"what must be one of {', '.join(WHAT)}, not {what!r}.")
    look = Look(theme, font_size)
    if what == "error":
        table = (100 * report.summary).stack(future_stack=True).dropna().rename("error").reset_index()
        title = f"% of the change of {report.subject} that the adapter lacks, by length"
        return Sheet(look, width).draw(part_maps(table, {"error": title}, report.depth))
    sheet = Sheet(look, width, NARROW)
    ranks = np.unique(np.geomspace(1, max(report.known_rank, 1), POINTS).astype(int))
    table = report.kept(ranks.tolist())
    above = ABOVE + legend_height([str(kind) for kind in table.index], sheet.inner)
    return sheet.draw([Row(HEIGHT, above, lambda axes: adapter_curves(table, axes))])
