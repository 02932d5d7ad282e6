"""What objects look like in notebooks: HTML and figures, made by `nbmerge.displays` and `nbmerge.plots`.

Both packages know all kinds of objects, so they are above all of them and are found by name, when something is displayed.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any


class Displayed:
    """An object that notebooks show as `nbmerge.displays` draws it; everywhere else its repr stands for it."""

    __slots__ = ()

    def _repr_html_(self) -> str:
        html: str = import_module("nbmerge.displays").to_html(self)
        return html


def draw(kind: str, subject: Any, *arguments: Any, **options: Any) -> Any:
    """Call ``nbmerge.plots.plot_KIND``."""
    return getattr(import_module("nbmerge.plots"), f"plot_{kind}")(subject, *arguments, **options)
