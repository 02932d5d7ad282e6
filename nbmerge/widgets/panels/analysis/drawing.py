"""A figure of an analysis on screen: drawn in a thread while its panel is in view, and downloaded as a file."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING, Any, Literal, cast

from nbmerge.errors import NbmergeError
from nbmerge.plots.look import THEMES, Theme
from nbmerge.widgets.controls.view import View
from nbmerge.widgets.panels.panel import Panel
from nbmerge.widgets.state.debounce import DebouncedRunner

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FORMATS = {"png": "image/png", "pdf": "application/pdf", "svg": "image/svg+xml"}
ON_SCREEN, IN_FILES = 144, 300
"""Dots per inch: on screen few enough to be quick, in files enough for print."""
FAST = 1
"""Compression of what is on screen: a third of the time of the usual one."""
PIXELS_PER_INCH = 96


class Drawing:
    """The figure of one panel.

    Parameters
    ----------
    panel : Panel
        Is drawn again when the figure is there, in the thread that has drawn it; shows its errors.

    Attributes
    ----------
    theme : "auto", "light" or "dark"
    runner : DebouncedRunner
    """

    def __init__(self, panel: Panel):
        self.theme: Theme = "auto"
        self.runner = DebouncedRunner(panel.errors.show, "figure", panel.state.activities)
        panel.at_close(self.runner.close)
        self._panel = panel
        self._drawn: tuple[Hashable, bytes, tuple[int, int]] = (None, b"", (0, 0))
        self._wanted: Hashable = None
        self._make: Callable[[Theme], Figure] | None = None

    def choose_theme(self, theme: str) -> None:
        """Draw for a theme."""
        if theme not in THEMES:
            raise NbmergeError(f"Figures have the themes {', '.join(THEMES)}, not '{theme}'.")
        self.theme = cast("Theme", theme)

    def request(self, key: Hashable, make: Callable[[Theme], Figure] | None) -> None:
        """Draw ``make(theme)``, unless what has this key is drawn already; None for no figure."""
        self._make = make
        wanted = None if make is None else (key, self.theme)
        if wanted == self._wanted:
            return
        self._wanted = wanted
        if make is None:
            self.runner.stop()
            self._drawn = (None, b"", (0, 0))
            return
        theme = self.theme

        def work(cancel: threading.Event) -> None:
            from nbmerge.plots import to_bytes  # matplotlib, which the first figure needs

            try:
                figure = make(theme)
                png = to_bytes(figure, "png", ON_SCREEN, compression=FAST)
            except Exception:
                self._wanted = None  # the next time it is tried again
                raise
            if not cancel.is_set() and not self._panel.closed:
                width, height = figure.get_size_inches() * PIXELS_PER_INCH
                self._drawn = wanted, png, (round(width), round(height))
                self._panel.redraw()

        self.runner.submit(work)

    @property
    def is_ready(self) -> bool:
        """Whether what was last requested is drawn."""
        return self._drawn[0] is not None and self._drawn[0] == self._wanted

    def content(self) -> dict[str, Any]:
        """What the browser draws: the picture and its size in pixels of the page."""
        _, png, (width, height) = self._drawn
        return {"png": png, "width": width, "height": height, "theme": self.theme}

    def save(self, view: View, name: str, format: str, window: str) -> None:
        """Send the figure as a file to the browser window that asks for it.

        Raises
        ------
        NbmergeError
            When there is no figure, and for another format.
        """
        if format not in FORMATS:
            raise NbmergeError(f"Figures can be saved as {', '.join(FORMATS)}, not as '{format}'.")
        if self._make is None:
            raise NbmergeError("There is no figure yet.")
        from nbmerge.plots import to_bytes

        data = to_bytes(self._make(self.theme), cast("Literal['png', 'pdf', 'svg']", format), IN_FILES)
        view.send({"file": f"{name}.{format}", "type": FORMATS[format], "window": window}, [data])
