"""Statistics: how far apart models are, and how far a merge is from each of its parents."""

from nbmerge.statistics.distances import Changes
from nbmerge.statistics.estimated_distances import Estimate, estimate
from nbmerge.statistics.measured_distances import measure_merge
from nbmerge.statistics.statistics import Statistics
from nbmerge.statistics.survey import measure_models

__all__ = ["Changes", "Estimate", "Statistics", "estimate", "measure_merge", "measure_models"]
