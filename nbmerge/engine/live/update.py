"""The result of updating a merge in memory."""

from __future__ import annotations

from dataclasses import dataclass

from nbmerge.presentation import Displayed


@dataclass(frozen=True, slots=True)
class Update(Displayed):
    """Result of an update.

    Parameters
    ----------
    touched : tuple of str
        Names of the tensors that were computed.
    seconds : float
    """

    touched: tuple[str, ...]
    seconds: float

    def __repr__(self) -> str:
        return f"<Update: {len(self.touched)} tensors in {1000 * self.seconds:.1f} ms>"
