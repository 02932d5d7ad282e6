"""Voices as HTML: one card each, with what changed in it marked by a line below, so that colour alone says nothing."""

from __future__ import annotations

import html
from collections.abc import Sequence
from itertools import groupby

from nbmerge.widgets.state.sampling_session import MERGE, Text, Voice, changed

TITLES = {"merge": "the merge", "pin": "pinned {}", "parent": "{}"}


def card(voice: Voice, colour: str, reference: Sequence[Text] = (), stale: bool = False) -> str:
    """One voice.

    Parameters
    ----------
    voice : Voice
    colour : str
        Of the line above it.
    reference : sequence of Text
        What its texts are compared with, by prompt.
    stale : bool
        Whether the recipe has changed since.
    """
    known = {t.prompt: t for t in reference if t.status == "done"}
    body = "".join(_paragraph(t, known.get(t.prompt)) for t in voice.texts) or "<p class='nbm-waiting'>…</p>"
    title = html.escape(TITLES[voice.kind].format(voice.name))
    words = f"<div class='nbm-who'>{html.escape(voice.words)}</div>" if voice.words else ""
    tokens = sum(len(t.pieces) for t in voice.texts)
    old = " <i>earlier recipe</i>" if stale else ""
    return (
        f"<section style='border-top-color:{colour}' data-of='{html.escape(voice.of[:8])}' data-tokens='{tokens}'>"
        f"<h4>{title}{old}</h4>{words}{body}</section>"
    )


def colour_of(voice: Voice, colours: dict[str, str]) -> str:
    """Parents have the colour of their curves; the merge and its pins that of what is active."""
    return colours.get(voice.name, "var(--jp-brand-color1, #2196f3)")


def is_merge(name: str) -> bool:
    """Whether this is the voice that the sliders move."""
    return name == MERGE


def _paragraph(text: Text, reference: Text | None) -> str:
    flags = [False] * len(text.pieces) if reference is None else changed(text.pieces, reference.pieces)
    parts, number = [], 0
    for new, group in groupby(zip(flags, text.pieces, strict=True), key=lambda pair: pair[0]):
        pieces = [piece for _, piece in group]
        escaped = html.escape("".join(pieces))
        number += len(pieces) if new else 0
        parts.append(f"<mark>{escaped}</mark>" if new else escaped)
    end = {
        "waiting": "<i class='nbm-waiting'> …</i>",
        "speaking": "<i aria-hidden='true'>▌</i>",
        "stopped": "<i> (stopped)</i>",
    }
    ended = reference is not None and text.status == "done"
    note = f"<small>{_counted(number, len(text.pieces))}</small>" if ended else ""
    return f"<p><span>{html.escape(text.prompt)}</span><b>{''.join(parts)}</b>{end.get(text.status, '')}{note}</p>"


def _counted(number: int, total: int) -> str:
    return f"{number} of {total} tokens changed" if number else "nothing changed"
