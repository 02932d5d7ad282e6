"""The elements that panels are made of: text, rows, buttons, fields and tables, in one style."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
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


def row(*children: ipywidgets.Widget, kind: str = "") -> ipywidgets.HBox:
    """Widgets beside each other, wrapping where it gets narrow."""
    box = ipywidgets.HBox(list(children))
    box.add_class("nbm-row")
    if kind:
        box.add_class(f"nbm-{kind}")
    return box


def button(label: str, on_click: Any, *, hint: str = "", style: str = "", icon: str = "") -> ipywidgets.Button:
    """A button as wide as its label."""
    widget = ipywidgets.Button(
        description=label, tooltip=hint, button_style=style, icon=icon, layout=Layout(width="auto")
    )
    widget.on_click(on_click)
    return widget


def field(kind: type, description: str = "", width: str = "auto", **settings: Any) -> ipywidgets.Widget:
    """An input whose description is never cut off."""
    return kind(description=description, style={"description_width": "initial"}, layout=Layout(width=width), **settings)


def set_visible(widget: ipywidgets.Widget, visible: bool) -> None:
    """Show or hide a widget without taking its place in the tree."""
    widget.layout.display = "" if visible else "none"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table as HTML; cells are HTML already, the first of each row names it."""
    columns = "".join(f"<th scope='col'>{html.escape(name)}</th>" for name in head)
    body = "".join(
        f"<tr><th scope='row'>{first}</th>{''.join(c if c.startswith('<td') else f'<td>{c}</td>' for c in rest)}</tr>"
        for first, *rest in rows
    )
    return f"<div class='nbm-wide'><table><thead><tr>{columns}</tr></thead><tbody>{body}</tbody></table></div>"
