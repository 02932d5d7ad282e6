"""What is left of a task vector when only its largest changes are kept, as TIES does: from the histogram, in bounds.

The sums of the bins above and below the cut are exact. Of the bin that the cut goes through, the r largest of n elements
are at least as large as its mean and at most as large as its upper edge, which bounds their sum from both sides.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from nbmerge.errors import ArgumentError
from nbmerge.methods.ties import kept
from nbmerge.statistics.tally import EDGES

if TYPE_CHECKING:
    from nbmerge.statistics.statistics import Statistics


def kept_mass(statistics: Statistics, model: str, density: float) -> pd.DataFrame:
    """Share of Σ|δ| that the largest changes hold; see `Statistics.kept_mass`."""
    if not 0 <= density <= 1:
        raise ArgumentError(f"density must be a number from 0 to 1, not {density!r}.")
    tally, m = statistics.tally, statistics.models.index(model) - 1
    rows = [
        bounds(tally.histogram[t, m], tally.mass[t, m], float(tally.largest[t, m]), kept(density, int(count)))
        for t, count in enumerate(statistics.counts)
    ]
    sums = np.array(rows).reshape(len(rows), 2)
    total = tally.mass[:, m].sum(-1)
    table = pd.DataFrame({"tensor": statistics.names, "low": sums[:, 0], "high": sums[:, 1]})
    with np.errstate(invalid="ignore"):
        table[["low", "high"]] = np.where(total[:, None] > 0, sums / total[:, None], np.nan)
        whole = sums.sum(0) / total.sum() if total.sum() > 0 else [np.nan, np.nan]
    table.attrs["total"] = (float(whole[0]), float(whole[1]))
    return table


def bounds(histogram: np.ndarray, mass: np.ndarray, largest: float, keep: int) -> tuple[float, float]:
    """Least and greatest sum that the `keep` largest elements can have."""
    above = np.concatenate([np.cumsum(histogram[::-1])[::-1], [0]])  # elements in this bin and those above
    cut = (
        int(np.searchsorted(-above, -keep, side="right")) - 1
    )  # the last bin that has `keep` of them above its lower edge
    if cut < 0:
        return float(mass.sum()), float(mass.sum())
    if cut >= len(histogram):
        return 0.0, 0.0
    full, rest, count = float(mass[cut + 1 :].sum()), keep - int(above[cut + 1]), int(histogram[cut])
    if rest == 0 or count == 0:
        return full, full
    lower = float(EDGES[cut - 1]) if cut else 0.0
    upper = min(largest, float(EDGES[cut])) if cut < len(EDGES) else largest
    most = min(rest * upper, float(mass[cut]) - (count - rest) * lower)
    return full + rest / count * float(mass[cut]), full + most
