"""A figure that is drawn again and again on screen, while a curve is moved.

Most of what matplotlib does for a figure is for axes, ticks, labels and legends, which stay as they are while a value
changes. They are drawn once and kept as pixels. That also leaves less to the garbage collector: each figure consists of
thousands of objects that refer to each other, and it stopped the kernel for 0.2 s after about fifteen of them.
"""

from __future__ import annotations

import io
from collections.abc import Hashable, Sequence
from typing import Any

from matplotlib.artist import Artist
from matplotlib.image import imsave

from nbmerge.plots.figures import DPI, METADATA, NotebookFigure, drawing
from nbmerge.plots.pictures import Row, Sheet


class Redrawing:
    """Draws figures of rows as PNG, with the same pixels as `to_bytes` and in a fraction of the time if the last one is alike.

    Parameters
    ----------
    dpi : float
        Dots per inch.
    compression : int
        Of the PNG, 0 to 9.

    Attributes
    ----------
    size : (float, float)
        Of the last figure, in inches.
    """

    def __init__(self, dpi: float, compression: int):
        self.dpi, self.compression = dpi, compression
        self.size = (0.0, 0.0)
        self._kept: _Kept | None = None

    def draw(self, sheet: Sheet, rows: Sequence[Row]) -> bytes:
        """Draw a figure of rows below each other, as `Sheet.draw` makes it."""
        alike = sheet, tuple((row.height, row.above, row.own_axis, row.frame) for row in rows)
        kept, self._kept = self._kept, None  # gone, should drawing fail
        with drawing():
            if kept is None or kept.alike != alike:
                kept = _Kept(alike, sheet.draw(rows), rows)
            kept.draw(sheet, rows, self.dpi)
            png = kept.encode(self.dpi, self.compression)
        width, height = kept.figure.get_size_inches()
        self.size, self._kept = (float(width), float(height)), kept
        return png


class _Kept:
    """The last figure: what stays of it as pixels, and the axes on which the rest is drawn."""

    def __init__(self, alike: Hashable, figure: NotebookFigure, rows: Sequence[Row]):
        self.alike, self.figure = alike, figure
        self._canvas: Any = figure.canvas  # a FigureCanvasAgg, whose methods have no annotations
        self._axes = figure.axes[: len(rows)]
        self._ground: Any = None

    def draw(self, sheet: Sheet, rows: Sequence[Row], dpi: float) -> None:
        """Draw the figure of other rows that are alike."""
        moving = [artist for place, row in enumerate(rows) for artist in self._draw_row(sheet, row, place)]
        for artist in moving:
            artist.set_animated(True)  # left out of the ground
        self.figure.dpi = dpi
        try:
            if self._ground is None:
                self._canvas.draw()
                self._ground = self._canvas.copy_from_bbox(self.figure.bbox)
            self._canvas.restore_region(self._ground)
            for artist in sorted(moving, key=Artist.get_zorder):
                self.figure.draw_artist(artist)
        finally:
            self.figure.dpi = DPI  # at which rows are made

    def _draw_row(self, sheet: Sheet, row: Row, place: int) -> Sequence[Artist]:
        """Make what differs in a row: its lines, or all of its axes."""
        former = self._axes[place]
        if row.draw_again is not None and row.frame is not None:
            return row.draw_again(former)
        former.remove()
        axes = self._axes[place] = self.figure.add_axes(former.get_position(original=True).bounds)
        sheet.draw_row(row, axes, is_last=place == len(self._axes) - 1)
        return [axes]

    def encode(self, dpi: float, compression: int) -> bytes:
        """What was drawn as a PNG, as matplotlib's `savefig` writes it."""
        buffer = io.BytesIO()
        settings = {"compress_level": compression}
        pixels = self._canvas.buffer_rgba()
        imsave(buffer, pixels, format="png", origin="upper", dpi=dpi, metadata=METADATA["png"], pil_kwargs=settings)
        return buffer.getvalue()
