"""Statistics: how far models are from each other, and a merge from its parents."""

from __future__ import annotations

import math
from itertools import combinations
from typing import TYPE_CHECKING

from nbmerge.displays.layout import block, dot, heading, table
from nbmerge.displays.markup import Markup, join

if TYPE_CHECKING:
    from nbmerge.statistics import Changes, Statistics


def show_changes(changes: Changes) -> Markup:
    """One row per parent: distance and cosine of the whole model, and the distance of each part."""
    from nbmerge.plots.colours import label_colours

    groups, roles = changes.by_group(), changes.by_role()
    head = ["parent", "whole model", *map(str, (*groups.columns, *roles.index)), "cosine"]
    colours = label_colours(changes.parents, changes.base)
    rows = [
        [
            join(dot(colours[parent]), parent),
            percent(changes.total(parent)),
            *(percent(x) for x in (*groups.loc[parent], *roles[parent])),
            number(changes.total(parent, "cosine")),
        ]
        for parent in changes.parents
    ]
    return block(heading("Distance of the merge from its parents", "in % of a parent's norm"), table(head, rows))


def show_statistics(statistics: Statistics) -> Markup:
    """One row per model: what was changed against the base, and cosines between the changes."""
    base, *names = statistics.models
    pairs = {
        pair: number(float(statistics.summary[f"cosine[{pair[0]}, {pair[1]}]"])) for pair in combinations(names, 2)
    }

    def between(a: str, b: str) -> str:
        return pairs.get((a, b)) or pairs.get((b, a)) or ""

    rows = [
        [
            name,
            percent(float(statistics.summary[f"change[{name}]"])),
            number(float(statistics.summary[f"cosine[{name}]"])),
            percent(float(statistics.summary[f"unchanged[{name}]"])),
            *(between(name, other) for other in names if len(names) > 1),
        ]
        for name in names
    ]
    head = ["model", "change", "cosine", "unchanged", *(f"cosine with {other}" for other in names if len(names) > 1)]
    details = [f"{len(statistics.names):,} tensors", f"{int(statistics.counts.sum()):,} parameters"]
    details += ["from the cache"] if statistics.from_cache else []
    return block(heading(f"Changes against {base}", *details), table(head, rows))


def percent(value: float) -> str:
    """A share in percent; nothing for a missing number."""
    return "" if math.isnan(value) else "∞" if math.isinf(value) else f"{100 * value:.2f} %"


def number(value: float) -> str:
    """A cosine with four digits; nothing for a missing one."""
    return "" if math.isnan(value) else f"{value:.4f}"
