"""Sampling: continue prompts with one or several models, and score how likely they find a text."""

from nbmerge.sampling.blind_testing import BlindPair, BlindResult, BlindTest, blind_test
from nbmerge.sampling.comparison import Comparison, compare
from nbmerge.sampling.generate import sample
from nbmerge.sampling.grid import GridAxis, SampleGrid, sample_grid
from nbmerge.sampling.latest_request import LatestRequest
from nbmerge.sampling.likelihood import log_probabilities, perplexity
from nbmerge.sampling.loading import Loaded, evaluation_mode, load
from nbmerge.sampling.result import Sample
from nbmerge.sampling.score_history import ScoreHistory, ScoreRecord
from nbmerge.sampling.scores import LogOdds, Perplexity, Phrase, log_odds
from nbmerge.sampling.threads import limit_threads

__all__ = [
    "BlindPair",
    "BlindResult",
    "BlindTest",
    "Comparison",
    "GridAxis",
    "LatestRequest",
    "Loaded",
    "LogOdds",
    "Perplexity",
    "Phrase",
    "Sample",
    "SampleGrid",
    "ScoreHistory",
    "ScoreRecord",
    "blind_test",
    "compare",
    "evaluation_mode",
    "limit_threads",
    "load",
    "log_odds",
    "log_probabilities",
    "perplexity",
    "sample",
    "sample_grid",
]
