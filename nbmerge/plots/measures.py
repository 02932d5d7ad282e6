"""What a picture shows about a merge and a parent, and how its numbers are written."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

FINEST = 1e-6
"""Smallest range of a scale: below it is the rounding of float32, which is no news."""


@dataclass(frozen=True, slots=True)
class Measure:
    """One quantity.

    Parameters
    ----------
    name : str
    toward : str
        The word between the name and a parent.
    unit : str
        What numbers count, for the head of a colour bar.
    same : float
        The number of a merge that equals its parent.
    rising : bool
        Whether a higher number means a greater change.
    factor : float
        What numbers are multiplied by for people.
    """

    name: str
    toward: str
    unit: str
    same: float
    rising: bool
    factor: float

    def title(self, parent: str = "") -> str:
        """The quantity, and what the merge is compared to."""
        return f"{self.name} {self.toward} {parent}" if parent else self.name

    @property
    def label(self) -> str:
        """What an axis is called."""
        return self.name if self.unit == self.name else f"{self.name}, {self.unit}"

    def limits(self, *numbers: np.ndarray) -> tuple[float, float]:
        """Ends of a scale: from no change to the greatest there is, never an empty range."""
        flat = np.concatenate([np.ravel(n) for n in numbers])
        finite = flat[np.isfinite(flat)]
        if self.rising:
            return self.same, max(float(finite.max(initial=self.same)), self.same + FINEST)
        return min(float(finite.min(initial=self.same)), self.same - FINEST), self.same

    def write(self, number: float, limits: tuple[float, float]) -> str:
        """A number with two digits of the scale's range; nothing for NaN, and the bare 0 or 1 for what is the same."""
        if math.isnan(number):
            return ""
        if number == self.same:
            return f"{number:g}"
        if math.isinf(number):
            return "∞"
        return f"{number * self.factor:.{self.decimals(limits)}f}"

    def decimals(self, limits: tuple[float, float]) -> int:
        """Decimals that tell two digits of the scale's range."""
        span = abs(limits[1] - limits[0]) * self.factor
        return min(max(1 - math.floor(math.log10(span) + 1e-9), 0), 7) if span > 0 else 2


MEASURES = {
    "distance": Measure("distance", "from", "% of norm", same=0.0, rising=True, factor=100.0),
    "cosine": Measure("cosine", "with", "cosine", same=1.0, rising=False, factor=1.0),
}
