"""Labels of models, told apart where one model goes in twice."""

from __future__ import annotations

from collections.abc import Sequence


def told_apart(labels: Sequence[str]) -> list[str]:
    """Labels of inputs, with a number behind a model's second and further mention in one tensor."""
    if len(set(labels)) == len(labels):
        return list(labels)
    counts = (labels[: i + 1].count(label) for i, label in enumerate(labels))
    return [label if n == 1 else f"{label} #{n}" for label, n in zip(labels, counts, strict=True)]
