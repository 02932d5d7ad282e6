"""The few shapes that all displays are made of: a heading, a list of facts, a table, something folded, a picture."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence

from nbmerge.displays.markup import Markup, element, escape, join

TEXT = "color:var(--jp-content-font-color1,inherit);font-size:var(--jp-content-font-size1,14px);line-height:1.5;"
QUIET = "color:var(--jp-content-font-color2,inherit);"
RULE = "border-bottom:1px solid var(--jp-border-color2,rgba(128,128,128,.4));"
CODE = "font-family:var(--jp-code-font-family,monospace);font-size:var(--jp-code-font-size,13px);"
CELL = f"text-align:left;vertical-align:top;padding:3px 14px 3px 0;background:none;{RULE}"
NUMBER = f"text-align:right;font-variant-numeric:tabular-nums;padding:3px 0 3px 14px;background:none;{RULE}"
SEVERITY = {
    "error": "color:var(--jp-error-color1,#c62828);",
    "warning": "color:var(--jp-warn-color0,#b26a00);",
    "info": "color:var(--jp-info-color1,#0277bd);",
}
MANY = 50
"""Entries of a list, or rows of a table, that are shown; of the rest, how many there are."""
LONG = 2_000
"""Characters of one text that are shown."""


def block(*parts: str) -> Markup:
    """Everything that an object shows."""
    return element("div", *parts, style=TEXT)


def heading(title: str, *details: str) -> Markup:
    """A first line: what it is, and the most important things about it."""
    rest = "".join(f" · {detail}" for detail in details)
    return element("div", element("b", title), rest, style="margin-bottom:4px")


def facts(pairs: Iterable[tuple[str, str]]) -> Markup:
    """Names and values below each other; empty values are left out."""
    rows = [
        element("tr", element("th", name, scope="row", style=f"{CELL}font-weight:normal;{QUIET}"), cell(value))
        for name, value in pairs
        if value
    ]
    return element("table", element("tbody", *rows), style="border-collapse:collapse;margin:0")


def cell(value: str, style: str = CELL) -> Markup:
    """One cell of a table."""
    return element("td", shortened(value), style=style)


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Markup:
    """A table with numbers at the right: the first column names the rows."""
    names = [
        element("th", name, scope="col", style=f"{NUMBER if i else CELL}font-weight:600") for i, name in enumerate(head)
    ]
    body = [
        element(
            "tr",
            element("th", shortened(row[0]), scope="row", style=f"{CELL}font-weight:normal"),
            *(cell(value, NUMBER) for value in row[1:]),
        )
        for row in rows[:MANY]
    ]
    made = element(
        "table",
        element("thead", element("tr", *names)),
        element("tbody", *body),
        style="border-collapse:collapse;margin:0",
    )
    return join(made, more(len(rows) - MANY, "rows"))


def fold(summary: str, *content: str, open: bool = False) -> Markup:
    """Something that can be folded away."""
    title = element("summary", summary, style="cursor:pointer")
    return element("details", title, *content, style="margin:4px 0", **({"open": ""} if open else {}))


def code(text: str) -> Markup:
    """Text as it is, in lines."""
    return element("pre", text, style=f"{CODE}margin:4px 0;white-space:pre-wrap;overflow-wrap:anywhere")


def bullets(items: Sequence[str]) -> Markup:
    """A list."""
    shown = [element("li", shortened(item)) for item in items[:MANY]]
    return join(element("ul", *shown, style="margin:4px 0;padding-left:1.4em"), more(len(items) - MANY, "entries"))


def problems(found: Iterable[tuple[str, str]]) -> Markup:
    """Severities and texts."""
    items = [
        join(element("b", severity, style=SEVERITY.get(severity, "")), " ", shortened(text)) for severity, text in found
    ]
    return bullets(items) if items else Markup()


def more(count: int, what: str) -> Markup:
    """How many are not shown."""
    return element("div", f"… and {count:,} more {what}", style=QUIET) if count > 0 else Markup()


def picture(png: bytes, width: int, description: str) -> Markup:
    """A PNG inside the page."""
    data = base64.b64encode(png).decode("ascii")
    style = "max-width:100%;height:auto;background:transparent"
    return element("img", src=f"data:image/png;base64,{data}", width=str(width), alt=description, style=style)


def dot(colour: str) -> Markup:
    """The mark of a model in figures, in front of its name."""
    return element("span", "● ", style=f"color:{colour}")


def shortened(text: str, most: int = LONG) -> Markup:
    """Text that is not endless; markup as it is."""
    if isinstance(text, Markup) or len(text) <= most:
        return escape(text)
    return escape(f"{text[:most]} … ({len(text) - most:,} more characters)")
