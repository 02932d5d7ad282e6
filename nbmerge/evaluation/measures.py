"""One metric of one task, with its value."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Measure:
    """One metric of one task.

    Parameters
    ----------
    task, metric : str
    filter : str
        How answers were taken from outputs; "none" is the output as it is.
    value : float
    error : float or None
        Standard error, if it is known.
    lower : bool
        Whether lower is better.
    count : int
        Number of samples.
    """

    task: str
    metric: str
    filter: str
    value: float
    error: float | None
    lower: bool
    count: int

    @property
    def key(self) -> str:
        """Metric and filter as the harness joins them, such as ``acc,none``."""
        return f"{self.metric},{self.filter}"
