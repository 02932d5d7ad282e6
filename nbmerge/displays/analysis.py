"""Results of `nbmerge.analysis` and `nbmerge.mixtures`."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from nbmerge.displays.layout import CODE, QUIET, block, bullets, fold, heading, more, table
from nbmerge.displays.markup import Markup, element, join

if TYPE_CHECKING:
    from nbmerge.analysis import Ablation, PathScores, Sensitivity, TokenComparison
    from nbmerge.mixtures import Routing

LETTERS = 80
"""Letters of a text that are shown in a table."""
TOKENS = 400
"""Tokens of a text that are shown."""
LEAST = 8.0
"""Minus the log-probability from which on a token has the strongest colour."""
NOTABLE = 0.1
"""Nats by which a merge departs from all parents for a token to be underlined."""


def show_path_scores(scores: PathScores) -> Markup:
    """The scores of all points, how they were computed, and what went wrong."""
    how = "by live updates" if scores.fallback else "layer by layer"
    names = list(scores.table.columns)
    rows = [[digits(value) for value in row] for row in scores.table.itertuples(index=False, name=None)]
    title = "Scores over a plane" if scores.is_plane else "Scores along a path"
    axes = [f"{name}: {what}" for name, what in zip(names, scores.along, strict=False) if what]
    top = heading(title, f"{len(rows)} points", *axes, how, f"{scores.seconds:.1f} s")
    return block(top, table(names, rows), remarks(scores.fallback, scores.notes))


def show_ablation(ablation: Ablation) -> Markup:
    """The parts with the largest effects first."""
    table_of = ablation.table
    first = next(iter(ablation.values))
    order = table_of[f"change[{first}]"].abs().sort_values(ascending=False).index
    rows = []
    for i in order:
        layer, kind = ablation.parts[i]
        words = [f"layer {layer}"] if layer is not None else []
        row = [", ".join([*words, *([kind] if kind else [])])]
        for name in ablation.values:
            row += [digits(float(table_of[name][i])), digits(float(table_of[f"change[{name}]"][i]))]
        rows.append(row)
    head = ["part", *(column for name in ablation.values for column in (name, "change"))]
    details = f"{len(ablation.parts)} parts", f"{ablation.seconds:.1f} s"
    top = heading(f"Parts taken from {ablation.source}", *details)
    return block(top, table(head, rows), remarks(ablation.fallback, ablation.notes))


def show_routing(routing: Routing) -> Markup:
    """One row per text: the mean weight of each expert over the layers."""
    names, means = list(routing.experts), routing.summary.to_numpy()
    rows = [
        [
            text if len(text) <= LETTERS else f"{text[:LETTERS]}…",
            f"{count:,}",
            *(f"{100 * share:.1f} %" for share in shares),
        ]
        for text, count, shares in zip(routing.texts, routing.tokens, means, strict=True)
    ]
    layers = f"{routing.weights.shape[1]} layers"
    top = heading(
        "Routing", f"{routing.per_token} of {len(names)} experts for each token", f"mean weight over {layers}"
    )
    return block(top, table(["text", "tokens", *names], rows))


def show_sensitivity(found: Sensitivity) -> Markup:
    """The numbers that the score depends on most, first."""
    top = heading("Sensitivity", f"score {digits(found.score)}", f"{found.seconds:.1f} s")
    rows = []
    for d, helps in sorted(
        zip(found.derivatives, found.table["helps"], strict=True), key=lambda pair: -abs(pair[0].derivative)
    ):
        where = d.kind if d.layer is None else f"layer {d.layer}, {d.kind}"
        of = f" of {d.model}" if d.model else ""
        rows.append(
            [where, f"{d.parameter}{of}", digits(d.value), f"{d.derivative:+.4g}", f"{helps} helps" if helps else ""]
        )
    return block(top, table(["part", "parameter", "value", "derivative", ""], rows))


def show_token_comparison(found: TokenComparison) -> Markup:
    """The text once for each model, unlikely tokens coloured, with all numbers on hover; and a table."""
    labels = ["merge", *found.parents]
    hover = [_hover(found, i) for i in range(len(found.tokens))]
    rows = []
    for label in labels:
        logs = found.merge if label == "merge" else found.parents[label]
        marked = found.outside if label == "merge" else (0.0,) * len(logs)
        shown = zip(found.tokens[:TOKENS], logs, marked, hover, strict=False)
        spans = [_token(*cell) for cell in shown]
        name = element("div", f"{label} · perplexity {found.perplexity(label):.4g}", style=QUIET)
        rows.append(element("div", name, element("div", found.start, *spans, style=_TOKENS), style="margin:4px 0"))
    legend = "Coloured: unlikely. Underlined: more or less likely under the merge than under any parent."
    names = ["token", *labels, "closest", "outside"]
    cells = [
        [repr(token)[1:-1], *(digits(log) for log in row), closest, digits(outside) if outside else ""]
        for token, closest, outside, *row in zip(
            found.tokens, found.closest, found.outside, found.merge, *found.parents.values(), strict=True
        )
    ]
    top = heading("Tokens of the merge and its parents", f"{len(found.tokens)} tokens")
    parts = [*rows, more(len(found.tokens) - TOKENS, "tokens"), element("div", legend, style=QUIET)]
    return block(top, *parts, fold("Table", table(names, cells)), remarks(found.fallback, found.notes))


_TOKENS = f"{CODE}white-space:pre-wrap;overflow-wrap:anywhere"


def _token(token: str, log: float, outside: float, hover: str) -> Markup:
    share = 0.0 if math.isnan(log) else min(-log / LEAST, 1.0)
    style = f"background:rgba(232,80,30,{0.6 * share:.2f})"
    if abs(outside) > NOTABLE:
        style += ";text-decoration:underline"
    return element("span", token, style=style, title=hover)


def _hover(found: TokenComparison, i: int) -> str:
    rows = {"merge": found.merge, **found.parents}
    numbers = ", ".join(f"{label} {logs[i]:.3f}" for label, logs in rows.items())
    return f"log P: {numbers}; closest to {found.closest[i]}"


def remarks(fallback: str, notes: tuple[str, ...]) -> Markup:
    """Why live updates were used, and what went wrong."""
    reasons = [f"Computed by live updates: {fallback}"] if fallback else []
    listed = [*reasons, *notes]
    return bullets(listed) if listed else join()


def digits(value: float) -> str:
    """A number with four digits; nothing for a missing one."""
    return "" if math.isnan(value) else f"{value:.4g}"
