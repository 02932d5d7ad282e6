"""Figures that notebooks display, and their files: PNG, PDF and SVG, without pyplot."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from nbmerge.plots.look import Look

DPI = 96
"""Dots per inch at which one dot is one CSS pixel."""
DENSE = 2 * DPI
"""Dots per inch in notebooks: sharp on dense screens, shown at half its size."""
Format = Literal["png", "pdf", "svg"]

_DRAWING = threading.Lock()
METADATA: dict[str, dict[str, Any]] = {
    "png": {"Software": None},
    "pdf": {"Creator": None, "Producer": None, "CreationDate": None},
    "svg": {"Creator": None, "Date": None},
}
"""Nothing that differs between two drawings of one figure."""
_SETTINGS: Any = {
    "svg.hashsalt": "nbmerge",
    "pdf.fonttype": 42,
}  # matplotlib types the keys as several hundred literals, in its newest version only
"""Ids of an SVG that stay the same, and fonts of a PDF that journals accept (TrueType, not Type 3)."""


class NotebookFigure(Figure):
    """A matplotlib figure that notebooks display, also where pyplot was never imported.

    Parameters
    ----------
    width, height : float
        In CSS pixels.
    look : Look
        Theme and size of the text, for the plots that draw on it.
    """

    def __init__(self, width: float, height: float, look: Look):
        super().__init__(figsize=(width / DPI, height / DPI), dpi=DPI, facecolor=look.ground)
        FigureCanvasAgg(self)
        self.look = look

    def _repr_png_(self) -> tuple[bytes, dict[str, int]]:
        width, height = self.get_size_inches() * DPI
        return to_png(self, DENSE), {"width": round(width), "height": round(height)}


@contextmanager
def drawing() -> Iterator[None]:
    """Draw in this thread alone: matplotlib's text and image code is not made for several threads."""
    with _DRAWING, matplotlib.rc_context(_SETTINGS):
        yield


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
        A PNG, with a transparent ground unless the theme has one; the same figure always gives the same bytes.
    """
    return to_bytes(figure, "png", dpi)


def to_bytes(figure: Figure | Axes, format: Format = "png", dpi: float = DENSE, compression: int = 6) -> bytes:
    """Draw a figure as a file; safe from any thread.

    Parameters
    ----------
    figure : Figure or Axes
    format : "png", "pdf" or "svg"
    dpi : float
        Dots per inch of a PNG; a PDF and an SVG have none.
    compression : int
        Of a PNG, 0 to 9: less takes less time and more bytes.

    Returns
    -------
    bytes
        The contents of the file; the same figure always gives the same bytes.

    Examples
    --------
    >>> import nbmerge as nbm
    >>> pdf = nbm.plots.to_bytes(nbm.demo.recipe().plot(theme="light"), "pdf")
    >>> pdf[:4]
    b'%PDF'
    """
    whole = figure.figure.figure  # of axes, also within a subfigure; a figure's figure is itself
    buffer = io.BytesIO()
    more: dict[str, Any] = {"pil_kwargs": {"compress_level": compression}} if format == "png" else {}
    with drawing():
        whole.savefig(buffer, format=format, dpi=dpi, metadata=METADATA[format], **more)
    return buffer.getvalue()
