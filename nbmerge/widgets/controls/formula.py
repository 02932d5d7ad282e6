"""Formulas as MathML, which browsers typeset by themselves, also offline."""

from __future__ import annotations

from functools import lru_cache
from typing import Any
from xml.etree import ElementTree


@lru_cache(maxsize=64)
def typeset(latex: str) -> list[Any] | None:
    """MathML as nested lists: tag, attributes, children; None where the formula is not understood.

    Parameters
    ----------
    latex : str
        Without dollar signs.
    """
    from latex2mathml.converter import convert

    try:
        markup = convert(latex.replace(r"\arg", r"\mathrm{arg}\,"), display="block")
        return _as_lists(ElementTree.fromstring(markup))
    except Exception:  # a method of a user may have any text there
        return None


def _as_lists(node: ElementTree.Element) -> list[Any]:
    children: list[Any] = [node.text] if node.text else []
    for child in node:
        children.append(_as_lists(child))
        if child.tail and child.tail.strip():
            children.append(child.tail)
    return [node.tag.rpartition("}")[2], dict(node.attrib), children]
