"""What can go wrong, as one small tree.

NbmergeError
├── RecipeError (ValueError)      the recipe says something impossible; `.problems` has all of it
├── CheckpointError (ValueError)  a model's files cannot be used as they are
├── MergeError (RuntimeError)     a merge had to end: disk full, unreadable input, ...
│   └── MergeStopped              somebody pressed stop
├── OutputError (OSError)         the place to write to cannot be used
├── SampleError (RuntimeError)    a model cannot be loaded or asked
└── PredictionError (ValueError)  statistics do not say what was asked

Each message says what happened, where, and what to do. Each class is also the builtin that a caller would guess.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nbmerge.problems import Problem


class NbmergeError(Exception):
    """Anything that nbmerge itself raises."""


class CheckpointError(NbmergeError, ValueError):
    """A model's files are missing, damaged or of a kind that cannot be merged."""


class MergeError(NbmergeError, RuntimeError):
    """A merge could not go on. Inputs are untouched and nothing lies under the output's name."""


class MergeStopped(MergeError):
    """A merge was stopped by its user."""


class OutputError(NbmergeError, OSError):
    """The output folder exists, is an input, is not writable, or the disk is too small."""


class SampleError(NbmergeError, RuntimeError):
    """A model could not be loaded or asked for text."""


class PredictionError(NbmergeError, ValueError):
    """A merge's distances do not follow from the statistics at hand; measure the merge itself."""


class RecipeError(NbmergeError, ValueError):
    """A recipe cannot be read or carried out.

    Parameters
    ----------
    problems : sequence of Problem
        Everything that was found, errors first. The message lists all of them.
    """

    def __init__(self, problems: Sequence[Problem]):
        self.problems = tuple(problems)
        super().__init__("\n".join(str(p) for p in self.problems))
