"""The view of the workbench's frame: setup bar, forms, the drawer's tabs and the line of running work."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from nbmerge.widgets.controls.guard import Guard
from nbmerge.widgets.controls.view import View


class BenchView(View):
    """A part of the frame.

    Parameters
    ----------
    kind : str
        Which part: "bar", "models", "method", "merge", "drawer" or "jobs".
    actions : mapping of str to callable
    guard : Guard
    """

    script = "bench"

    def __init__(self, kind: str, actions: Mapping[str, Callable[..., Any]], guard: Guard):
        self.kind = kind
        super().__init__(actions, guard)
        self.add_class(f"nbm-bench-{kind}")

    def draw(self, detail: Mapping[str, Any]) -> None:
        """Draw this content."""
        self.show({"kind": self.kind, "detail": detail})
