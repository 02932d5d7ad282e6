"""Results of `nbmerge.analysis`."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from nbmerge.displays.layout import block, bullets, heading, table
from nbmerge.displays.markup import Markup, join

if TYPE_CHECKING:
    from nbmerge.analysis import PathScores


def show_path_scores(scores: PathScores) -> Markup:
    """The scores of all points, how they were computed, and what went wrong."""
    how = "by live updates" if scores.fallback else "layer by layer"
    names = list(scores.table.columns)
    rows = [[digits(value) for value in row] for row in scores.table.itertuples(index=False, name=None)]
    title = "Scores over a plane" if scores.is_plane else "Scores along a path"
    top = heading(title, f"{len(rows)} points", how, f"{scores.seconds:.1f} s")
    return block(top, table(names, rows), remarks(scores.fallback, scores.notes))


def remarks(fallback: str, notes: tuple[str, ...]) -> Markup:
    """Why live updates were used, and what went wrong."""
    reasons = [f"Computed by live updates: {fallback}"] if fallback else []
    listed = [*reasons, *notes]
    return bullets(listed) if listed else join()


def digits(value: float) -> str:
    """A number with four digits; nothing for a missing one."""
    return "" if math.isnan(value) else f"{value:.4g}"
