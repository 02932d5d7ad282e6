"""What can go wrong, as one small tree.

NbmergeError
├── RecipeError (ValueError)      a recipe cannot be read or merged; `.problems` lists why
├── ArgumentError (ValueError)    an argument of a function is out of range or has the wrong type
├── CheckpointError (ValueError)  a model's files cannot be used
├── MergeError (RuntimeError)     a merge failed: disk full, unreadable input, ...
│   └── MergeStopped              a merge was stopped by its user
├── OutputError (OSError)         the output folder cannot be used
├── SampleError (RuntimeError)    a model cannot be loaded or sampled
├── NotReadyError (RuntimeError)  a live merge is between two recipes, or closed
├── TooLargeError (MemoryError)   a model does not fit into memory
├── VirtualError (ValueError)     a merge cannot be evaluated virtually
└── PredictionError (ValueError)  distances cannot be predicted from the statistics

Each message states what happened, where, and what to do. Each class is also the builtin that a caller would expect.
"""

from __future__ import annotations

import errno
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from nbmerge.quoting import readable

if TYPE_CHECKING:
    from nbmerge.problems import Problem


MOST_LISTED = 100
"""Maximum number of problems in one message."""


class NbmergeError(Exception):
    """Base class of all errors of nbmerge. Quotations in messages are shortened and made printable."""

    def __init__(self, *args: Any):
        super().__init__(*(readable(a) if isinstance(a, str) else a for a in args))


class ArgumentError(NbmergeError, ValueError):
    """An argument of a function is out of range or has the wrong type; the message names it."""


class CheckpointError(NbmergeError, ValueError):
    """A model's files are missing, damaged or of a kind that cannot be merged."""


class MergeError(NbmergeError, RuntimeError):
    """A merge failed. The inputs are unchanged, and no output folder was created."""


class MergeStopped(MergeError):
    """A merge was stopped by its user."""


class OutputError(NbmergeError, OSError):
    """The output folder exists, is an input, is not writable, or the disk is too small."""


class SampleError(NbmergeError, RuntimeError):
    """A model cannot be loaded or sampled."""


class NotReadyError(NbmergeError, RuntimeError):
    """A live merge is between two recipes because an update did not finish, or it was closed."""


class TooLargeError(NbmergeError, MemoryError):
    """A model does not fit into memory; nothing was allocated. The message lists alternatives."""

    forecast: Any = None
    """The `LiveForecast` of a live merge that does not fit."""


class VirtualError(NbmergeError, ValueError):
    """A merge cannot be evaluated from its parents' layers; merge in memory or on disk instead."""


class PredictionError(NbmergeError, ValueError):
    """A merge's distances cannot be predicted from the available statistics; measure the merge itself."""


class RecipeError(NbmergeError, ValueError):
    """A recipe cannot be read or merged.

    Parameters
    ----------
    problems : sequence of Problem
        All problems, errors first. The message lists up to a hundred.
    rest : Recipe, optional
        The recipe without its invalid parts, if that is a recipe, so that the rest can be checked as well.
    """

    def __init__(self, problems: Sequence[Problem], rest: Any = None):
        self.problems, self.rest = tuple(problems), rest
        lines = [str(p) for p in self.problems[:MOST_LISTED]]
        more = len(self.problems) - len(lines)
        # Each line is shortened separately; together they may be longer than one message.
        Exception.__init__(self, "\n".join([*lines, f"... and {more:,} more."] if more else lines))


RESUME = "Run again to resume; finished tensors are kept."
"""The end of a message about a merge that could not be completed."""

_ADVICE = {
    (errno.ENOSPC, getattr(errno, "EDQUOT", -1)): "Free some space or choose another disk",
    (errno.EROFS, errno.EACCES, errno.EPERM): "Check the permissions, or choose another folder",
    (errno.ENOENT, errno.ESTALE if hasattr(errno, "ESTALE") else -1): "It was removed during the run",
    (errno.EMFILE, errno.ENFILE): "Close some programs or raise the limit (ulimit -n)",
}  # fmt: skip


def advice(error: OSError) -> str:
    """Describe what the operating system refused, where, and what to do about it."""
    what = error.strerror or str(error)
    where = f" ({error.filename})" if error.filename and not isinstance(error.filename, int) else ""
    how = next((words for numbers, words in _ADVICE.items() if error.errno in numbers), "Check the disk")
    return f"{what}{where}. {how}."
