"""Generated texts. They are the words of models, so nothing in them is markup."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbmerge.displays.layout import CELL, CODE, QUIET, block, heading, more, shortened
from nbmerge.displays.markup import Markup, element, join

if TYPE_CHECKING:
    from nbmerge.sampling import Comparison, Sample

_TEXT = f"{CODE}white-space:pre-wrap;overflow-wrap:anywhere;"
PROMPTS = 200
"""Prompts of a comparison that are shown."""


def show_sample(sample: Sample) -> Markup:
    """Prompt and continuation, and how it came to be."""
    count = len(sample.tokens)
    details = f"{count} {'token' if count == 1 else 'tokens'}, {sample.seconds:.2f} s"
    if sample.stopped:
        details += ", stopped before its end"
    prompt = element("span", shortened(sample.prompt), style=QUIET)
    text = element("div", prompt, element("b", shortened(sample.text)), style=_TEXT)
    return block(text, element("div", details, style=QUIET))


def show_comparison(comparison: Comparison) -> Markup:
    """One row per prompt, one column per model."""
    names = [element("th", name, scope="col", style=CELL) for name in ("prompt", *comparison.samples)]
    rows = []
    for i, prompt in enumerate(comparison.prompts[:PROMPTS]):
        head = element("th", shortened(prompt), scope="row", style=f"{CELL}{_TEXT}font-weight:normal")
        cells = [element("td", shortened(row[i].text), style=f"{CELL}{_TEXT}") for row in comparison.samples.values()]
        rows.append(element("tr", head, *cells))
    if not comparison.prompts:
        return block(heading("No prompts"))
    made = element(
        "table", element("thead", element("tr", *names)), element("tbody", *rows), style="border-collapse:collapse"
    )
    return block(join(made, more(len(comparison.prompts) - PROMPTS, "prompts")))
