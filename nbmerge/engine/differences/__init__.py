"""Differences between two recipes: in words, and as curves over the layers.

`describe` has the function; `values` compares what two plans resolved, `words` puts a change of one parameter into words.
"""

from nbmerge.engine.differences.describe import Difference, describe_difference
from nbmerge.engine.differences.values import ParameterChange, collect_rows

__all__ = ["Difference", "ParameterChange", "collect_rows", "describe_difference"]
