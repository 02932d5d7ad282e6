"""What a browser does to a widget, without one."""

from typing import Any

from ipywidgets import Widget


def move(widget: Widget, **values: Any) -> None:
    """Set what a browser's message sets."""
    widget.set_state(values)
