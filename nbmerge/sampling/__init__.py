"""Sampling: ask models for text, one or several side by side."""

from nbmerge.sampling.comparison import Comparison, compare
from nbmerge.sampling.generate import sample
from nbmerge.sampling.loading import Loaded, load
from nbmerge.sampling.result import Sample
from nbmerge.sampling.stream import Turn
from nbmerge.sampling.threads import fitting_threads

__all__ = ["Comparison", "Loaded", "Sample", "Turn", "compare", "fitting_threads", "load", "sample"]
