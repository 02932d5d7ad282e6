"""DELLA: drop changes at random, small ones of each row more often than large ones, then add up or vote."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from nbmerge.methods.dare import RESCALE
from nbmerge.methods.framework.method import Elementwise, Parameter, Values
from nbmerge.methods.numerics.random_streams import uniform
from nbmerge.methods.numerics.sparse import Thin, added, l1_factor, voted
from nbmerge.methods.task_arithmetic import LAMBDA, NORMALIZE, WEIGHT

if TYPE_CHECKING:
    import torch

    from nbmerge.methods.framework.input_blocks import InputBlocks


_DENSITY = Parameter(
    "density", "Mean probability that one of this model's changes is kept.",
    default=1.0, scope="input", low=0.0, high=1.0,
)  # fmt: skip
_EPSILON = Parameter(
    "epsilon", "How far the probability exceeds the density for a row's largest change, and falls below it for the "
    "smallest; limited to the range from 0 to 1.",
    default=0.15, scope="input", low=0.0, high=1.0,
)  # fmt: skip
_RESCALE = replace(
    RESCALE, help="How kept changes are rescaled: divide each by its probability (true), match the sum of absolute "
    "values as mergekit does (l1), or not at all (false).",
)  # fmt: skip


def _drop_(delta: torch.Tensor, values: Values, i: int, start: int) -> torch.Tensor:
    """Drop changes of a block of whole rows in place; with ``rescale: true`` divide the others by their probability."""
    density, epsilon = values.each["density"][i], values.each["epsilon"][i]
    if density >= 1:
        return delta
    if density <= 0:
        return delta.zero_()
    keep = _by_rank(delta, probabilities(delta.shape[1], density, epsilon))
    drawn = uniform(values.streams[i], start, delta.numel())
    delta.mul_(delta.new_tensor(drawn).view(delta.shape) < keep)
    return delta.div_(keep.masked_fill_(keep == 0, 1.0)) if values["rescale"] is True else delta


def probabilities(columns: int, density: float, epsilon: float) -> np.ndarray:
    """With which probability changes of a row are kept, by their rank from the smallest: evenly spaced over density ± epsilon.

    Returns
    -------
    ndarray of float64, shape (columns,)
    """
    steps = np.linspace(density - epsilon, density + epsilon, columns) if columns > 1 else np.array([density])
    return np.clip(steps, 0.0, 1.0)


def _by_rank(delta: torch.Tensor, ranked: np.ndarray) -> torch.Tensor:
    """Numbers that are given by rank of the magnitude in its row; equal magnitudes rank by position."""
    import torch

    order = delta.new_tensor(_order(delta.abs().numpy()), dtype=torch.int64)
    return delta.new_empty(delta.shape).scatter_(1, order, delta.new_tensor(ranked).expand(delta.shape))


def _order(magnitudes: np.ndarray) -> np.ndarray:
    """Positions of each row's values from the smallest to the largest, equal ones as they come."""
    if magnitudes.dtype != np.float32:
        return np.argsort(magnitudes, axis=1, kind="stable")
    # Whole numbers that hold value and position sort several times faster than positions by value.
    keys = magnitudes.view(np.uint32).astype(np.uint64) << np.uint64(32)
    keys |= np.arange(magnitudes.shape[1], dtype=np.uint64)
    keys.sort(axis=1)
    return (keys & np.uint64(0xFFFFFFFF)).astype(np.int64)


def _look(tensors: InputBlocks, values: Values) -> list[float]:
    """Factor on each input's kept changes."""
    if values["rescale"] != "l1":
        return [1.0] * len(tensors.inputs)

    def factor(i: int) -> float:
        rows = ((start, delta.view(-1, tensors.columns)) for start, delta in tensors.deltas(i))
        return l1_factor(rows, lambda delta, start: _drop_(delta, values, i, start))

    return [1.0, *(factor(i) for i in range(1, len(tensors.inputs)))]


def _thin(values: Values, factors: list[float]) -> Thin:
    return lambda delta, i, start: _drop_(delta, values, i, start).mul_(factors[i])


def mix_sum(inputs: list[torch.Tensor], start: int, factors: list[float], values: Values) -> torch.Tensor:
    """Mix one block by adding task vectors, see `Elementwise.mix`."""
    return added(inputs, start, values, _thin(values, factors))


def mix_votes(inputs: list[torch.Tensor], start: int, factors: list[float], values: Values) -> torch.Tensor:
    """Mix one block by electing signs, see `Elementwise.mix`."""
    return voted(inputs, start, values, _thin(values, factors))


_WORDS = (
    "Drops random changes of each model like DARE, but keeps large changes of a row with a higher probability than small "
    "ones. The draw depends only on the seed. {}."
)
_KEPT = (
    r"\hat\delta_i = \frac{z_i \odot \delta_i}{p_i},\quad z_i \sim \mathrm{Bernoulli}(p_i),"
    r"\quad p_i \in [p-\epsilon, p+\epsilon]"
)

_VOTED = Elementwise(
    is_random=True,
    name="della",
    title="DELLA",
    words=_WORDS.format("Signs are elected among the remaining changes, as in TIES"),
    formula=r"W = B + \lambda \frac{\sum_i m_i w_i \hat\delta_i}{\sum_i m_i w_i},\quad " + _KEPT,
    parameters=(WEIGHT, _DENSITY, _EPSILON, replace(NORMALIZE, default=True), LAMBDA, _RESCALE),
    mix=mix_votes,
    reference="Deep et al. 2024, DELLA-Merging, https://arxiv.org/abs/2406.11617",
    base="required",
    inputs=(1, None),
    look=_look,
    whole="row",
    portable=True,
)


METHODS = (
    _VOTED,
    replace(
        _VOTED,
        name="della_linear",
        title="DELLA (linear)",
        words=_WORDS.format("The remaining changes are added, as in task arithmetic"),
        formula=r"W = B + \lambda \sum_i w_i \hat\delta_i,\quad " + _KEPT,
        parameters=(WEIGHT, _DENSITY, _EPSILON, NORMALIZE, LAMBDA, _RESCALE),
        mix=mix_sum,
    ),
)
