"""Statistics: how far apart models are, and how far a merge is from each of its parents."""

from nbmerge.statistics.distances import Changes
from nbmerge.statistics.estimated_distances import Estimate, estimate
from nbmerge.statistics.measured_distances import changes
from nbmerge.statistics.statistics import Statistics
from nbmerge.statistics.survey import measure

__all__ = ["Changes", "Estimate", "Statistics", "changes", "estimate", "measure"]
