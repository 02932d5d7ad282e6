"""HTML as a type of its own: `element` escapes every text that is not `Markup` already."""

from __future__ import annotations

import html
import re

VOID = ("br", "img", "meta")
"""Elements without content."""
_INVISIBLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
"""Control characters, and those that reverse the direction of the text after them."""


class Markup(str):
    """Well-formed HTML; everything else is text."""

    __slots__ = ()


def element(name: str, /, *content: str, style: str = "", **attributes: str) -> Markup:
    """One element with its content.

    Parameters
    ----------
    name : str
    *content : str or Markup
        Text is escaped.
    style : str
        Inline style.
    **attributes : str
        Escaped too; an empty one stands alone, such as ``open``.
    """
    given = attributes | ({"style": style} if style else {})
    head = "".join(f' {key}="{escape(value)}"' if value else f" {key}" for key, value in given.items())
    if name in VOID:
        return Markup(f"<{name}{head}>")
    return Markup(f"<{name}{head}>{join(*content)}</{name}>")


def join(*content: str) -> Markup:
    """Several pieces after each other."""
    return Markup("".join(escape(piece) for piece in content))


def escape(text: str) -> Markup:
    """Text as HTML, with what cannot be seen written out; markup as it is."""
    if isinstance(text, Markup):
        return text
    visible = _INVISIBLE.sub(lambda match: f"\\u{ord(match[0]):04x}", text)
    return Markup(html.escape(visible))
