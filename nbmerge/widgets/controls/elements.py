"""What is made of plain widgets: text and buttons, in one style."""

from __future__ import annotations

from typing import Any

import ipywidgets
from ipywidgets import Layout

from nbmerge.widgets.controls.view import read_static

STYLE = read_static("studio.css")


def styles() -> ipywidgets.HTML:
    """The style sheet; every panel brings it, since each may be shown alone."""
    return ipywidgets.HTML(f"<style>{STYLE}</style>", layout=Layout(display="none"))


def text(content: str = "", kind: str = "") -> ipywidgets.HTML:
    """A piece of HTML that wraps and takes the panel's width."""
    widget = ipywidgets.HTML(content)
    widget.add_class("nbm-text")
    if kind:
        widget.add_class(f"nbm-{kind}")
    return widget


def button(label: str, on_click: Any, *, hint: str = "", style: str = "", icon: str = "") -> ipywidgets.Button:
    """A button as wide as its label."""
    widget = ipywidgets.Button(
        description=label, tooltip=hint, button_style=style, icon=icon, layout=Layout(width="auto")
    )
    widget.on_click(on_click)
    return widget


def set_visible(widget: ipywidgets.Widget, visible: bool) -> None:
    """Show or hide a widget without taking its place in the tree."""
    widget.layout.display = "" if visible else "none"
