"""How many ranks a module gets: a fixed number, or as many as hold a share of its change."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nbmerge.arguments import parse_whole_number
from nbmerge.errors import ArgumentError

_NEGLIGIBLE = 1e-6
"""Singular values below this share of the largest are rounding: no rank is spent on them."""


@dataclass(frozen=True)
class Budget:
    """How many ranks a module gets.

    Parameters
    ----------
    rank : int
        The most.
    energy : float, optional
        The share of ‖δ‖² that suffices; if None, every module gets `rank`.
    """

    rank: int
    energy: float | None = None

    def choose(self, squares: np.ndarray, total: float) -> int:
        """The rank of one module, by the squares of its singular values and ‖δ‖²."""
        if not total:
            return 0
        squares = squares[: self.rank]
        most = int((squares > _NEGLIGIBLE**2 * squares[:1]).sum())
        if self.energy is None:
            return most
        reached = np.flatnonzero(np.cumsum(squares) >= self.energy * total * (1 - 1e-12))
        return min(most, int(reached[0]) + 1) if len(reached) else most


def check_budget(rank: int | None, energy: float | None, usual: int, most: int) -> Budget:
    """Check the arguments `rank` and `energy` of a function that chooses ranks.

    Parameters
    ----------
    rank : int, optional
    energy : float, optional
    usual, most : int
        The most ranks where neither is given, and where only `energy` is.
    """
    if rank is not None:
        rank = parse_whole_number("rank", rank, 1)
    if energy is not None and (isinstance(energy, bool) or not isinstance(energy, int | float) or not 0 < energy <= 1):
        raise ArgumentError(
            f"energy is the share of the change that is kept, more than 0 and at most 1, not {energy!r}."
        )
    return Budget(rank or (usual if energy is None else most), energy)
