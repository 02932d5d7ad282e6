"""Sampling: ask models for text, one or several side by side, and score what they find likely."""

from nbmerge.sampling.comparison import Comparison, compare
from nbmerge.sampling.gauges import Gauges, Reading
from nbmerge.sampling.generate import sample
from nbmerge.sampling.likelihood import log_probabilities, perplexity
from nbmerge.sampling.loading import Loaded, load
from nbmerge.sampling.result import Sample
from nbmerge.sampling.scores import Gauge, Perplexity, Phrase, gauge
from nbmerge.sampling.stream import Turn
from nbmerge.sampling.threads import fitting_threads

__all__ = [
    "Comparison",
    "Gauge",
    "Gauges",
    "Loaded",
    "Perplexity",
    "Phrase",
    "Reading",
    "Sample",
    "Turn",
    "compare",
    "fitting_threads",
    "gauge",
    "load",
    "log_probabilities",
    "perplexity",
    "sample",
]
