"""Sampling: ask models for text, one or several side by side."""

from nbmerge.sampling.comparison import Comparison, compare
from nbmerge.sampling.generate import sample
from nbmerge.sampling.loading import Loaded, load
from nbmerge.sampling.result import Sample

__all__ = ["Comparison", "Loaded", "Sample", "compare", "load", "sample"]
