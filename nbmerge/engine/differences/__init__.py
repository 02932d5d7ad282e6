"""Differences between two recipes: in words, and as curves over the layers.

`describe` has the function; `values` compares what two plans resolved, `words` puts a change of one parameter into words.
"""

from nbmerge.engine.differences.describe import Difference, describe_difference
from nbmerge.engine.differences.values import ParameterChange

__all__ = ["Difference", "ParameterChange", "describe_difference"]
