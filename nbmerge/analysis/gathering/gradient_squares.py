"""Squared derivatives of the log-probabilities of tokens with respect to every weight: the diagonal of the Fisher matrix.

One backward pass for each token would take as many passes as there are tokens. Instead, the log-probabilities of a window are
added up with random signs. The square of the derivative of that sum has the sum of the squares of all tokens as its expected
value, because products of different tokens cancel out (Hutchinson 1989).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import torch

from nbmerge.analysis.backward import BackwardPass
from nbmerge.engine.live import LayeredModel
from nbmerge.engine.planning import Plan
from nbmerge.progress import Reporter
from nbmerge.sampling.likelihood import Window

if TYPE_CHECKING:
    from nbmerge.analysis.gathering.statistics_file import StatisticsFile
    from nbmerge.typing import StopSignal

SEED = 0


def gather_squares(
    model: LayeredModel,
    plan: Plan,
    windows: Sequence[Window],
    file: StatisticsFile,
    report: Reporter,
    cancel: StopSignal | None = None,
) -> None:
    """Differentiate texts layer by layer, and write the mean squared derivative of each weight, in bfloat16.

    Parameters
    ----------
    model : LayeredModel
    plan : Plan
        Of one model as it is.
    windows : sequence of Window
    file : StatisticsFile
    report : Reporter
    cancel : threading.Event, optional
    """
    tokens = sum(len(window.ids) - window.begin for window in windows)
    names = [name for part in model.parts(plan) for name in (tensor.name for tensor in part)]
    squares = GradientSquares(file, tokens, {name for name in names if names.count(name) > 1})
    BackwardPass(model, plan, windows, SignedSum(), report, cancel, squares).run()
    squares.finish()


class SignedSum:
    """The sum of all log-probabilities, each with a random sign; a score without a meaning of its own."""

    def __init__(self, seed: int = SEED):
        self._generator = torch.Generator().manual_seed(seed)

    def combine(self, logs: Sequence[torch.Tensor]) -> torch.Tensor:
        """The sum over all windows."""
        signs = [torch.randint(0, 2, log.shape, generator=self._generator) * 2 - 1 for log in logs]
        return torch.stack([(log * sign.to(log)).sum() for log, sign in zip(logs, signs, strict=True)]).sum()


class GradientSquares:
    """Adds up squared derivatives, and writes those of each part of the model when it is left.

    Parameters
    ----------
    file : StatisticsFile
    tokens : int
        What sums are divided by.
    later : set of str
        Tensors that several parts use: they are written last.
    """

    def __init__(self, file: StatisticsFile, tokens: int, later: set[str]):
        self._file, self._tokens, self._later = file, tokens, later
        self._sums: dict[str, torch.Tensor] = {}

    def add(self, weights: Mapping[str, torch.nn.Parameter]) -> None:
        """Add the squares of one window."""
        for name, weight in weights.items():
            if weight.grad is None:
                continue
            gradient = weight.grad.float()
            if name in self._sums:
                self._sums[name].addcmul_(gradient, gradient)
            else:
                self._sums[name] = gradient.square()

    def finish_part(self) -> None:
        """Write what no other part uses."""
        for name in [name for name in self._sums if name not in self._later]:
            self._write(name)

    def finish(self) -> None:
        """Write the rest."""
        for name in list(self._sums):
            self._write(name)

    def _write(self, name: str) -> None:
        self._file.add(name, (self._sums.pop(name) / self._tokens).bfloat16())
