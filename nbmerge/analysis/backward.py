"""One backward pass through a merge, layer by layer: the derivative of a score with respect to each coefficient.

For a weighted sum W = Σ cᵢWᵢ, the derivative with respect to cᵢ is the inner product of Wᵢ with that of W. The forward pass keeps
the hidden state before each layer; the backward pass computes each layer's weights again, and no more than one layer and its
derivatives are in memory.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import torch

from nbmerge.analysis.layerwise import LOGIT_TOKENS, group_by_length
from nbmerge.analysis.memory import TOKENS
from nbmerge.engine.live import LayeredModel
from nbmerge.engine.planning import Plan
from nbmerge.errors import MergeStopped, SampleError
from nbmerge.progress import Reporter
from nbmerge.sampling.likelihood import Window, select_log_probabilities

if TYPE_CHECKING:
    from nbmerge.typing import StopSignal

BLOCK = 1 << 22
"""Elements of an inner product that are converted to float64 together."""
States = dict[int, torch.Tensor]
"""Hidden states, or their derivatives, for each length of windows; shape (windows, tokens, width)."""


class Combined(Protocol):
    """What is differentiated."""

    def combine(self, logs: Sequence[torch.Tensor], /) -> torch.Tensor:
        """A number from the log-probabilities of the tokens of each window."""


class GradientSink(Protocol):
    """What is done with the derivatives of single windows."""

    def add(self, weights: Mapping[str, torch.nn.Parameter]) -> None:
        """Take the derivatives (``grad``) of one window with respect to the weights of a part, by tensor."""

    def finish_part(self) -> None:
        """A part of the model was left; its weights are released."""


@dataclass
class BackwardPass:
    """A score of one merge, and its derivatives.

    Parameters
    ----------
    model : LayeredModel
    plan : Plan
        Whose tensors are all weighted sums of stored tensors.
    windows : sequence of Window
    score : Combined
        Such as a `TokenScore`.
    report : Reporter
        Receives an event for each part that is done: ``2 · depth + 3`` of them.
    cancel : threading.Event, optional
    sink : GradientSink, optional
        Receives the derivatives with respect to all weights, window by window, instead of those with respect to coefficients
        in `found`.
    """

    model: LayeredModel
    plan: Plan
    windows: Sequence[Window]
    score: Combined
    report: Reporter
    cancel: StopSignal | None = None
    sink: GradientSink | None = None
    found: dict[str, list[float]] = field(default_factory=dict)
    """The derivative with respect to each coefficient, by tensor."""

    def __post_init__(self) -> None:
        self._parts = list(self.model.parts(self.plan))
        self._by_length = group_by_length(self.windows)

    def run(self) -> float:
        """Compute the score and, in `found`, its derivatives.

        Raises
        ------
        SampleError
            When the score is not finite.
        MergeStopped
        """
        with torch.no_grad():
            states = self._forward()
        value, slopes = self._differentiate_score(states[-1])
        gradient = self._leave_backward(states.pop(), slopes)
        for layer in reversed(range(self.model.depth)):
            gradient = self._layer_backward(layer, states.pop(), gradient)
        self._enter_backward(gradient)
        self.model.unload()
        return value

    def _forward(self) -> list[States]:
        """The hidden states before each layer and after the last."""
        self._load(0)
        states = [{n: self.model.enter(self._ids(n)) for n in self._by_length}]
        self._tell("embedding")
        for layer in range(self.model.depth):
            self._load(1 + layer)
            after = {}
            for n, rows in states[-1].items():
                pieces = [self.model.run_layer(layer, piece) for piece in rows.split(max(1, TOKENS // n))]
                after[n] = torch.cat(pieces)
            states.append(after)
            self._tell(f"layer {layer}")
        self._load(-1)
        return states

    def _differentiate_score(self, last: States) -> tuple[float, list[torch.Tensor]]:
        """The score, and its derivative with respect to each log-probability."""
        logs: list[torch.Tensor] = [torch.empty(0)] * len(self.windows)
        with torch.no_grad():
            for n, which in self._by_length.items():
                size = max(1, LOGIT_TOKENS // n)
                for start in range(0, len(which), size):
                    logits = self.model.leave(last[n][start : start + size])
                    for i, row in zip(which[start : start + size], logits, strict=True):
                        logs[i] = select_log_probabilities(row, self.windows[i])
        leaves = [log.requires_grad_() for log in logs]
        value = self.score.combine(leaves)
        if not value.isfinite():
            raise SampleError(
                f"The score of this merge is {value.item()}, so it has no derivative. Check its weights, or merge in float32."
            )
        value.backward()
        return value.item(), [log.grad if log.grad is not None else torch.zeros_like(log) for log in leaves]

    def _leave_backward(self, last: States, slopes: Sequence[torch.Tensor]) -> States:
        weights = self._track(-1)
        gradient = {}
        for n, which in self._by_length.items():
            pieces = []
            size = self._windows_at_once(LOGIT_TOKENS, n)
            for start in range(0, len(which), size):
                self._check()
                hidden = last[n][start : start + size].detach().requires_grad_()
                logits = self.model.leave(hidden)
                own = which[start : start + size]
                logs = [select_log_probabilities(row, self.windows[i]) for i, row in zip(own, logits, strict=True)]
                torch.autograd.backward(logs, [slopes[i] for i in own])
                self._take(weights)
                pieces.append(_gradient_of(hidden))
            gradient[n] = torch.cat(pieces)
        self._collect(-1, weights)
        self._tell("head")
        return gradient

    def _layer_backward(self, layer: int, before: States, after: States) -> States:
        self._load(1 + layer)
        weights = self._track(1 + layer)
        gradient = {}
        for n, rows in before.items():
            pieces = []
            size = self._windows_at_once(TOKENS, n)
            for given, wanted in zip(rows.split(size), after[n].split(size), strict=True):
                self._check()
                hidden = given.detach().requires_grad_()
                torch.autograd.backward([self.model.run_layer(layer, hidden)], [wanted])
                self._take(weights)
                pieces.append(_gradient_of(hidden))
            gradient[n] = torch.cat(pieces)
        self._collect(1 + layer, weights)
        self._tell(f"layer {layer}")
        return gradient

    def _enter_backward(self, gradient: States) -> None:
        self._load(0)
        weights = self._track(0)
        for n in self._by_length:
            size = self._windows_at_once(len(self.windows) * n, n)
            for ids, wanted in zip(self._ids(n).split(size), gradient[n].split(size), strict=True):
                torch.autograd.backward([self.model.enter(ids)], [wanted])
                self._take(weights)
        self._collect(0, weights)
        self._tell("embedding")

    def _load(self, part: int) -> None:
        self._check()
        self.model.unload(keep=self._parts[part])
        self.model.load(self._parts[part], self.cancel)

    def _track(self, part: int) -> dict[str, torch.nn.Parameter]:
        """Let the weights of a part record derivatives."""
        weights = self.model.weights(self._parts[part])
        for weight in weights.values():
            weight.requires_grad_(True)
        return weights

    def _windows_at_once(self, tokens: int, length: int) -> int:
        """Windows of a length that are differentiated together."""
        return 1 if self.sink is not None else max(1, tokens // length)

    def _take(self, weights: Mapping[str, torch.nn.Parameter]) -> None:
        """Hand the derivatives of a window on."""
        if self.sink is None:
            return
        self.sink.add(weights)
        for weight in weights.values():
            weight.grad = None

    def _collect(self, part: int, weights: dict[str, torch.nn.Parameter]) -> None:
        """Add what the weights of a part recorded to `found`."""
        for tensor in self._parts[part]:
            weight = weights.get(tensor.name)
            if weight is None:
                continue
            weight.requires_grad_(False)
            if weight.grad is not None:
                own = [_product(weight.grad, parent) for parent in self.model.inputs(tensor)]
                known = self.found.get(tensor.name, [0.0] * len(own))
                self.found[tensor.name] = [a + b for a, b in zip(known, own, strict=True)]
            weight.grad = None
        if self.sink is not None:
            self.sink.finish_part()

    def _ids(self, length: int) -> torch.Tensor:
        return torch.tensor([self.windows[i].ids for i in self._by_length[length]], device=self.model.device)

    def _tell(self, part: str) -> None:
        self.report.tell("tensor", part)

    def _check(self) -> None:
        if self.cancel is not None and self.cancel.is_set():
            raise MergeStopped("Stopped.")


def _gradient_of(hidden: torch.Tensor) -> torch.Tensor:
    assert hidden.grad is not None  # every layer passes its hidden state on
    return hidden.grad


def _product(one: torch.Tensor, other: torch.Tensor) -> float:
    """Inner product in float64, on the CPU, where every device's numbers can be float64."""
    pairs = zip(one.reshape(-1).split(BLOCK), other.reshape(-1).split(BLOCK), strict=True)
    return sum(float(torch.dot(a.cpu().double(), b.double())) for a, b in pairs)
