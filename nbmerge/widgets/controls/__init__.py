"""Controls: widgets that know no recipe: the curve editor, sliders, job row, cards, tables, and where errors appear."""

from nbmerge.widgets.controls.guard import Guard

__all__ = ["Guard"]
