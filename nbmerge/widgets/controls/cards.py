"""Model outputs as HTML: one card each; changed tokens are underlined, so that the meaning does not rest on colour."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from itertools import groupby

from nbmerge.widgets.state.sampling_session import Continuation, ModelOutput, mark_changed

TITLES = {"merge": "the merge", "pin": "pinned {}", "parent": "{}"}


def render_card(
    output: ModelOutput, colour: str, reference: Sequence[Continuation] = (), stale: bool = False
) -> str:  # fmt: skip
    """One model's output.

    Parameters
    ----------
    output : ModelOutput
    colour : str
        Of the line above it.
    reference : sequence of Continuation
        What its texts are compared with, by prompt.
    stale : bool
        Whether the recipe has changed since.
    """
    known = {t.prompt: t for t in reference if t.status == "done"}
    body = "".join(_paragraph(t, known.get(t.prompt)) for t in output.continuations) or "<p class='nbm-waiting'>…</p>"
    title = html.escape(TITLES[output.kind].format(output.name))
    detail = f"<div class='nbm-who'>{html.escape(output.description)}</div>" if output.description else ""
    tokens = sum(len(t.pieces) for t in output.continuations)
    mark = " <i>earlier recipe</i>" if stale else ""
    return (
        f"<section style='border-top-color:{colour}' data-of='{html.escape(output.fingerprint[:8])}' data-tokens='{tokens}'>"
        f"<h4>{title}{mark}</h4>{detail}{body}</section>"
    )


def card_colour(output: ModelOutput, colours: Mapping[str, str]) -> str:
    """Parents have the colour of their curves; the merge and its pins have JupyterLab's accent colour."""
    return colours.get(output.name, "var(--jp-brand-color1, #2196f3)")


def _paragraph(text: Continuation, reference: Continuation | None) -> str:
    flags = [False] * len(text.pieces) if reference is None else mark_changed(text.pieces, reference.pieces)
    parts, number = [], 0
    for is_new, group in groupby(zip(flags, text.pieces, strict=True), key=lambda pair: pair[0]):
        pieces = [piece for _, piece in group]
        escaped = html.escape("".join(pieces))
        number += len(pieces) if is_new else 0
        parts.append(f"<mark>{escaped}</mark>" if is_new else escaped)
    end = {
        "waiting": "<i class='nbm-waiting'> …</i>",
        "generating": "<i aria-hidden='true'>▌</i>",
        "stopped": "<i> (stopped)</i>",
    }
    is_compared = reference is not None and text.status == "done"
    note = f"<small>{_count_changes(number, len(text.pieces))}</small>" if is_compared else ""
    return f"<p><span>{html.escape(text.prompt)}</span><b>{''.join(parts)}</b>{end.get(text.status, '')}{note}</p>"


def _count_changes(number: int, total: int) -> str:
    return f"{number} of {total} tokens changed" if number else "no change"
