"""What is measured of one task matrix, and of two: singular values, and how far the leading directions are the same."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

SHARE = 0.9
"""Share of ‖δ‖² that a sufficient rank holds."""


@dataclass(frozen=True)
class Spectrum:
    """Singular values of one model's task vector in one tensor.

    Parameters
    ----------
    tensor : str
    layer : int or None
    kind : str
    model : str
    values : ndarray of float64
        The largest singular values; all of them for small matrices.
    errors : ndarray of float64
        Bounds of the errors of their squares.
    energy : float
        ‖δ‖², the sum of the squares of all singular values.
    size : int
        Number of all singular values.
    """

    tensor: str
    layer: int | None
    kind: str
    model: str
    values: np.ndarray
    errors: np.ndarray
    energy: float
    size: int

    def kept(self, rank: int) -> float:
        """Share of ‖δ‖² that the best matrix of some rank holds; missing where nothing changed."""
        return self._share(self.values[:rank] ** 2) if rank <= len(self.values) or self.is_complete else np.nan

    def kept_error(self, rank: int) -> float:
        """Bound of the error of `kept`, given that no leading direction was missed."""
        return self._share(self.errors[:rank])

    @property
    def is_complete(self) -> bool:
        """Whether all singular values are known."""
        return len(self.values) == self.size

    @property
    def stable_rank(self) -> float:
        """‖δ‖² / σ₁²."""
        return self.energy / float(self.values[0]) ** 2 if self.energy else np.nan

    @property
    def effective_rank(self) -> tuple[float, float]:
        """Lowest and highest value that exp(−Σ p log p) can have, where p = σ² / ‖δ‖².

        They are equal where all singular values are known. Otherwise, what is not known is spread evenly, or concentrated as far as
        the smallest known singular value allows.
        """
        if not self.energy:
            return np.nan, np.nan
        p = self.values**2 / self.energy
        p = p[p > 0]
        rest = max(0.0, 1.0 - float(p.sum()))
        known = -float(p @ np.log(p))
        left = self.size - len(self.values)
        if not left or rest < 1e-12:
            return float(np.exp(known)), float(np.exp(known))
        low = known - rest * np.log(max(float(p[-1]), rest / left))
        return float(np.exp(low)), float(np.exp(known - rest * np.log(rest / left)))

    def sufficient_rank(self, share: float = SHARE) -> int | None:
        """The lowest rank that holds a share of ‖δ‖²; None if it is beyond the known singular values."""
        if not self.energy:
            return 0
        reached = np.flatnonzero(np.cumsum(self.values**2) >= share * self.energy * (1 - 1e-12))
        return int(reached[0]) + 1 if len(reached) else None

    def _share(self, squares: np.ndarray) -> float:
        return min(1.0, float(squares.sum()) / self.energy) if self.energy else np.nan


@dataclass(frozen=True)
class Overlap:
    """How far the leading singular vectors of two task vectors span the same space.

    Parameters
    ----------
    tensor, layer, kind, first, second
    rank : int
        Number of singular vectors of each.
    inputs, outputs : float
        Mean squared cosine of the principal angles between them, on the side of the layer's inputs and of its outputs: 1 for the same
        space.
    chance_inputs, chance_outputs : float
        The expected value for random spaces.
    """

    tensor: str
    layer: int | None
    kind: str
    first: str
    second: str
    rank: int
    inputs: float
    outputs: float
    chance_inputs: float
    chance_outputs: float
