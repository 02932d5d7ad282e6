"""The rows of the Tracks panel. A module in this folder with a `ROW` is one; the script that draws it has the same name.

To add a row, write ``rows/NAME.py`` here with a subclass of `Row` and ``ROW = ThatClass``, and
``js/src/views/tracks/rows/NAME.ts``. Nothing else names them.
"""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nbmerge.widgets.panels.tracks.panel import TracksPanel
    from nbmerge.widgets.panels.tracks.rows.row import Row


def make_rows(panel: TracksPanel) -> list[Row]:
    """A row of every kind, for one panel."""
    modules = [import_module(f"{__name__}.{module.name}") for module in iter_modules(__path__)]
    return [module.ROW(panel) for module in modules if hasattr(module, "ROW")]
