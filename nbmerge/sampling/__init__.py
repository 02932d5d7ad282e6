"""Sampling: ask models for text, one or several side by side, and score what they find likely."""

from nbmerge.sampling.comparison import Comparison, compare
from nbmerge.sampling.generate import sample
from nbmerge.sampling.likelihood import log_probabilities, perplexity
from nbmerge.sampling.loading import Loaded, load
from nbmerge.sampling.result import Sample
from nbmerge.sampling.score_history import Reading, ScoreHistory
from nbmerge.sampling.scores import LogOdds, Perplexity, Phrase, log_odds
from nbmerge.sampling.stream import Turn
from nbmerge.sampling.threads import fitting_threads

__all__ = [
    "Comparison",
    "Loaded",
    "LogOdds",
    "Perplexity",
    "Phrase",
    "Reading",
    "Sample",
    "ScoreHistory",
    "Turn",
    "compare",
    "fitting_threads",
    "load",
    "log_odds",
    "log_probabilities",
    "perplexity",
    "sample",
]
