"""What an update of a merge in memory did."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Update:
    """What an update did.

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
