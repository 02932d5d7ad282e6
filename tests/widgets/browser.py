"""What a browser does to a widget, without one."""

from itertools import count as counter
from typing import Any

from ipywidgets import Widget

from nbmerge.widgets.controls.view import View


def move(widget: Widget, **values: Any) -> None:
    """Set what a browser's message sets."""
    widget.set_state(values)


_counts = counter(1)


def act(view: View, action: str, *, count: int | None = None, **arguments: Any) -> None:
    """Send an action of a view, as its script does."""
    message = {"action": action, "args": arguments, "count": next(_counts) if count is None else count}
    view._handle_custom_msg(message, [])
