"""Arcee fusion: take over the second model's most important changes and leave the rest of the base as it is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from nbmerge.methods.framework.method import Elementwise, Values
from nbmerge.methods.numerics.quantiles import quantiles

if TYPE_CHECKING:
    import torch

    from nbmerge.methods.framework.input_blocks import InputBlocks


OUTLIER = 1.5
"""Interquartile ranges above the median from which a change is important."""


def _divergences(inputs: list[torch.Tensor]) -> np.ndarray:
    """KL(softmax of the second model's row ‖ softmax of the base's) for each row of a block, float64."""
    base, other = (x.double().log_softmax(1) for x in inputs)
    return other.exp().mul_(other - base).sum(1).clamp_(min=0.0).numpy()


def _importance(tensors: InputBlocks, divergences: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    for start, (base, other) in tensors:
        yield start, _weigh(base, other, start, divergences).view(-1).numpy()


def _weigh(base: torch.Tensor, other: torch.Tensor, start: int, divergences: np.ndarray) -> torch.Tensor:
    """|W − B| times its row's divergence."""
    rows, columns = base.shape
    first = start // columns
    return (other - base).abs_().mul_(base.new_tensor(divergences[first : first + rows]).unsqueeze(1))


def _look(tensors: InputBlocks, values: Values) -> tuple[np.ndarray, float]:
    divergences = np.concatenate([_divergences(inputs) for _, inputs in tensors])
    low, middle, high = quantiles(lambda: _importance(tensors, divergences), tensors.count, (0.25, 0.5, 0.75))
    return divergences, middle + OUTLIER * (high - low)


def _mix(inputs: list[torch.Tensor], start: int, state: tuple[np.ndarray, float], values: Values) -> torch.Tensor:
    base, other = inputs
    divergences, threshold = state
    importance = _weigh(base, other, start, divergences)
    chosen = base.where(importance < threshold, other)
    return chosen.where(importance == importance, importance)  # NaN in a row of either is NaN in the result


METHODS = (
    Elementwise(
        name="arcee_fusion",
        title="Arcee fusion",
        words="Rates each change of the second model by its size and by how much its row has shifted as a whole, and "
        "applies those that stand out. All other weights are the base model's. Quantiles are values of the tensor, the "
        "one of rank ⌊p (n−1)⌋ among n, as in mergekit 0.1.5; for tensors of more than a million elements, mergekit "
        "estimates them from a random sample, while here they are exact.",
        formula=r"W = B + [\,s \geq q_{50} + 1.5\,(q_{75} - q_{25})\,] \odot (W_1 - B),\quad "
        r"s = |W_1 - B| \cdot \mathrm{KL}(\mathrm{softmax}(W_1)\,\|\,\mathrm{softmax}(B))_\mathrm{row}",
        reference="Arcee 2024, as defined by mergekit, https://www.arcee.ai/blog/meet-mergekit-v0-1-arcee-fusion",
        base="required",
        inputs=(2, 2),
        look=_look,
        mix=_mix,
        whole="row",
    ),
)
