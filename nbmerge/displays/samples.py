"""Generated texts. They are the words of models, so nothing in them is markup."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbmerge.displays.layout import CELL, CODE, QUIET, block, heading, more, shortened
from nbmerge.displays.markup import Markup, element, join

if TYPE_CHECKING:
    from nbmerge.sampling import BlindTest, Comparison, Sample, SampleGrid

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


def show_sample_grid(grid: SampleGrid) -> Markup:
    """The prompt, and a table of continuations with the values of the parameters at its edges."""
    corner = grid.columns.title if grid.rows is None else f"{grid.rows.title} ↓  {grid.columns.title} →"
    head = [element("th", shortened(corner), style=CELL)]
    head += [element("th", shortened(str(value)), scope="col", style=CELL) for value in grid.columns.values]
    labels = [""] if grid.rows is None else [str(value) for value in grid.rows.values]
    rows = []
    for label, samples in zip(labels, grid.samples, strict=True):
        cells = [shortened(s.text) if s is not None else element("span", "not sampled", style=QUIET) for s in samples]
        edge = element("th", shortened(label), scope="row", style=CELL)
        rows.append(element("tr", edge, *[element("td", text, style=f"{CELL}{_TEXT}") for text in cells]))
    table = element("table", element("thead", element("tr", *head)), element("tbody", *rows))
    return block(heading("Samples of", grid.prompt), table)


def show_blind_test(test: BlindTest) -> Markup:
    """The next pair without names; at the end the score."""
    number = test.next
    if number is None:
        return block(heading("Blind test"), element("div", shortened(str(test.result))))
    pair = test.pairs[number]
    cells = [element("td", shortened(text), style=f"{CELL}{_TEXT}") for text in (pair.left, pair.right)]
    head = [element("th", side, scope="col", style=CELL) for side in ("left", "right")]
    table = element("table", element("thead", element("tr", *head)), element("tbody", element("tr", *cells)))
    prompt = element("div", shortened(pair.prompt), style=f"{QUIET}{_TEXT}")
    return block(heading(f"Blind test, pair {number + 1} of {len(test.pairs)}"), prompt, table)
