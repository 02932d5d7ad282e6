"""Statistics: how far apart models are, and how far a merge is from each of its parents.

Each name is loaded when it is first used: torch and pandas take seconds.
"""

from typing import TYPE_CHECKING

from nbmerge.imports import exporter

if TYPE_CHECKING:
    from nbmerge.statistics.distances import Changes
    from nbmerge.statistics.estimated_distances import Estimate, estimate
    from nbmerge.statistics.measured_distances import measure_merge
    from nbmerge.statistics.statistics import Statistics
    from nbmerge.statistics.survey import measure_models

__all__ = ["Changes", "Estimate", "Statistics", "estimate", "measure_merge", "measure_models"]

__getattr__ = exporter(
    __name__, distances=("Changes",), estimated_distances=("Estimate", "estimate"),
    measured_distances=("measure_merge",), statistics=("Statistics",), survey=("measure_models",),
)  # fmt: skip
