"""Unique labels for the inputs of a tensor."""

from __future__ import annotations

from collections.abc import Sequence


def number_repeats(labels: Sequence[str]) -> list[str]:
    """The labels, with a number after the second and later occurrences of one: ``a, a`` becomes ``a, a #2``."""
    if len(set(labels)) == len(labels):
        return list(labels)
    counts = (labels[: i + 1].count(label) for i, label in enumerate(labels))
    return [label if n == 1 else f"{label} #{n}" for label, n in zip(labels, counts, strict=True)]
