"""Formulas as MathML, which every current browser draws without a script: the site works offline."""

from __future__ import annotations

from typing import Any

import latex2mathml.converter
from docutils import nodes


def write_inline(writer: Any, node: nodes.Element) -> None:
    """A formula in a line of text."""
    writer.body.append(latex2mathml.converter.convert(node.astext()))
    raise nodes.SkipNode


def write_block(writer: Any, node: nodes.Element) -> None:
    """A formula in a line of its own."""
    writer.body.append(f'<div class="math">{latex2mathml.converter.convert(node.astext(), display="block")}</div>')
    raise nodes.SkipNode


def setup(app: Any) -> dict[str, Any]:
    """Register the renderer `mathml`."""
    app.add_html_math_renderer("mathml", (write_inline, None), (write_block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
