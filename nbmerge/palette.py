"""One colour per model, the same in every picture of a merge. Nothing that draws is imported for it."""

from __future__ import annotations

from collections.abc import Iterable

INK = "#797979"
"""The grey of equal contrast on white and on #111111: text, axes, and the base model."""
PALETTE = ("#2b88d9", "#e8501e", "#a8327f", "#0a9d7a", "#7a3df0", "#a68d5b")
"""One colour per model, in order; apart for the three kinds of colour blindness, at times by lightness alone."""


def label_colours(labels: Iterable[str], base: str | None) -> dict[str, str]:
    """Colour of each model by its label: the base is grey, the others take the palette in the given order."""
    labels = list(dict.fromkeys(labels))
    colours = {label: PALETTE[i % len(PALETTE)] for i, label in enumerate(x for x in labels if x != base)}
    return {base: INK, **colours} if base in labels else colours
