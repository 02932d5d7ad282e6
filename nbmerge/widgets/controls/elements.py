"""The elements that panels are made of: text, rows, buttons, fields, tables and lists of problems, in one style."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from typing import Any

import ipywidgets
from ipywidgets import Layout

from nbmerge.problems import Problem
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


def set_tooltip(widget: ipywidgets.Widget, words: str) -> ipywidgets.Widget:
    """Give a widget words to show under a resting mouse."""
    name = "tooltip" if widget.has_trait("tooltip") else "description_tooltip"  # ipywidgets 8 and 7
    setattr(widget, name, words)
    return widget


def set_visible(widget: ipywidgets.Widget, visible: bool) -> None:
    """Show or hide a widget without taking its place in the tree."""
    widget.layout.display = "" if visible else "none"


def set_options(widget: Any, options: list[tuple[str, Any]]) -> None:
    """Replace the options of a choice, keeping its value where that is still among them."""
    if list(widget.options) == options:
        return
    chosen, values = widget.value, [v for _, v in options]
    widget.options = options
    widget.value = chosen if chosen in values else values[0] if values else None


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table as HTML; cells are HTML already, the first of each row names it."""
    columns = "".join(f"<th scope='col'>{html.escape(name)}</th>" for name in head)
    body = "".join(
        f"<tr><th scope='row'>{first}</th>{''.join(c if c.startswith('<td') else f'<td>{c}</td>' for c in rest)}</tr>"
        for first, *rest in rows
    )
    return f"<div class='nbm-wide'><table><thead><tr>{columns}</tr></thead><tbody>{body}</tbody></table></div>"


def problem_list(problems: tuple[Problem, ...], source: str = "") -> str:
    """Problems as HTML in the order of their lines, the worst first, each with the words that stand there."""
    lines = source.splitlines()
    items = []
    severities = list(dict.fromkeys(p.severity for p in problems))
    for problem in sorted(problems, key=lambda p: (severities.index(p.severity), p.line or 0)):
        quoted = ""
        if problem.line and problem.line <= len(lines):
            quoted = f"<code>line {problem.line}: {html.escape(lines[problem.line - 1].strip())}</code>"
        where = f"<span class='nbm-where'>{html.escape(problem.place)}</span> " if problem.place and not quoted else ""
        body = f"{where}{html.escape(problem.what)} {html.escape(problem.how)}".strip()
        items.append(f"<li class='nbm-{problem.severity}-item'><b>{problem.severity}</b> {quoted} {body}</li>")
    return f"<ul class='nbm-problems'>{''.join(items)}</ul>" if items else ""
