"""A widget that is closed closes everything that belongs to it.

ipywidgets keeps every widget alive until it is closed, and closing a box closes nothing inside it. So what is made here
is closed in one of two ways: `close_tree` closes a widget with everything below it, and an `OwningBox` also releases
what was registered with it (observers, threads, models), whatever closes it: `studio.close()`,
`Widget.close_all()`, or the next run of its cell.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from typing import Any

import ipywidgets
from traitlets import HasTraits


class OwningBox(ipywidgets.VBox):
    """A box that owns what is below it, and what is registered by `watch` and `at_close`.

    Attributes
    ----------
    closed : bool
    """

    closed = False

    def __init__(self, **settings: Any):
        self._ends = ExitStack()
        super().__init__(**settings)

    def watch(self, target: HasTraits, callback: Callable[[Any], Any], names: str) -> None:
        """Observe something that may outlast this box, until this box is closed."""
        target.observe(callback, names)
        self.at_close(lambda: target.unobserve(callback, names))

    def at_close(self, end: Callable[[], Any]) -> None:
        """Call this when the box is closed; what was registered last is called first."""
        self._ends.callback(end)

    def fill(self, box: ipywidgets.Box, children: Sequence[ipywidgets.Widget]) -> None:
        """Replace the children of a box below this one; safe in a thread that outlives the box."""
        replace_children(box, children)
        if self.closed:
            close_tree(box)

    def close(self) -> None:
        """Close it with everything that belongs to it. Closing twice does nothing."""
        if self.closed:
            return
        self.closed = True
        if "_ends" in vars(self):  # a constructor that failed has none; Python closes that, too
            self._ends.close()
        below = list(_list_descendants(self))
        super().close()
        for widget in below:
            widget.close()


def close_tree(*roots: ipywidgets.Widget) -> None:
    """Close widgets with everything below them: children, layouts, styles."""
    for root in roots:
        below = list(_list_descendants(root))
        root.close()
        for widget in below:
            widget.close()


def replace_children(box: ipywidgets.Box, children: Sequence[ipywidgets.Widget]) -> None:
    """Replace the children of a box, and close those that it no longer has."""
    gone = [child for child in box.children if child not in children]
    if list(box.children) != list(children):
        box.children = tuple(children)
    close_tree(*gone)


def _list_descendants(root: ipywidgets.Widget) -> Iterator[ipywidgets.Widget]:
    """All widgets that a widget shows or is shown with, each once."""
    seen, waiting = {id(root)}, [root]
    while waiting:
        widget = waiting.pop()
        for other in _list_referenced(widget):
            if id(other) not in seen:
                seen.add(id(other))
                waiting.append(other)
                yield other


def _list_referenced(widget: ipywidgets.Widget) -> Iterator[ipywidgets.Widget]:
    # Values as they are: asking a trait for its value would make the default, such as a layout that is not needed.
    for value in list(widget._trait_values.values()):
        if isinstance(value, ipywidgets.Widget):
            yield value
        elif isinstance(value, list | tuple):
            yield from (item for item in value if isinstance(item, ipywidgets.Widget))
