"""Results of `nbmerge.analysis`."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from nbmerge.displays.layout import block, bullets, heading, table
from nbmerge.displays.markup import Markup, join

if TYPE_CHECKING:
    from nbmerge.analysis import Ablation, PathScores, Sensitivity


def show_path_scores(scores: PathScores) -> Markup:
    """The scores of all points, how they were computed, and what went wrong."""
    how = "by live updates" if scores.fallback else "layer by layer"
    names = list(scores.table.columns)
    rows = [[digits(value) for value in row] for row in scores.table.itertuples(index=False, name=None)]
    title = "Scores over a plane" if scores.is_plane else "Scores along a path"
    top = heading(title, f"{len(rows)} points", how, f"{scores.seconds:.1f} s")
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


def remarks(fallback: str, notes: tuple[str, ...]) -> Markup:
    """Why live updates were used, and what went wrong."""
    reasons = [f"Computed by live updates: {fallback}"] if fallback else []
    listed = [*reasons, *notes]
    return bullets(listed) if listed else join()


def digits(value: float) -> str:
    """A number with four digits; nothing for a missing one."""
    return "" if math.isnan(value) else f"{value:.4g}"
