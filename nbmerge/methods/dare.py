"""DARE: drop random changes, rescale those that stay, then add them up or let them vote.

Yu et al. 2024, Language models are Super Mario, https://arxiv.org/abs/2311.03099.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from nbmerge.methods.framework.method import Elementwise, Parameter, Values
from nbmerge.methods.numerics.fused import add_scaled_
from nbmerge.methods.numerics.random_streams import kept
from nbmerge.methods.numerics.sign_election import elect
from nbmerge.methods.numerics.sums import absolute
from nbmerge.methods.task_arithmetic import LAMBDA, NORMALIZE, WEIGHT, divisor

if TYPE_CHECKING:
    import torch

    from nbmerge.methods.framework.input_blocks import InputBlocks


DENSITY = Parameter(
    "density", "Probability that one of this model's changes is kept.", default=1.0, scope="input", low=0.0, high=1.0
)
RESCALE = Parameter(
    "rescale", "How kept changes are rescaled: divide by the density (true), match the sum of absolute values as "
    "mergekit 0.1 does (l1), or not at all (false).",
    default=True, kind=(True, False, "l1"),
)  # fmt: skip


def _drop_(delta: torch.Tensor, density: float, key: str, start: int) -> torch.Tensor:
    """Set each element to zero with probability 1 − density, in place."""
    if density >= 1:
        return delta
    if density <= 0:
        return delta.zero_()
    import torch

    keep = torch.from_numpy(kept(key, start, delta.numel(), density))
    return delta.mul_(keep.view(torch.uint8).to(delta.device))  # a product with booleans takes four times as long


def _look(tensors: InputBlocks, values: Values) -> list[float]:
    """Factor on each input's kept changes."""
    if not values["rescale"]:
        return [1.0] * len(values.streams)
    densities = values.each["density"]
    if values["rescale"] != "l1":
        return [1.0, *(1 / d if d > 0 else 1.0 for d in densities[1:])]
    return [1.0, *(_l1_factor(tensors, i, d, values.streams[i]) for i, d in enumerate(densities[1:], start=1))]


def _l1_factor(tensors: InputBlocks, i: int, density: float, key: str) -> float:
    if density >= 1:
        return 1.0
    before, after = [], []
    for start, delta in tensors.deltas(i):
        before.append(absolute(delta))
        after.append(absolute(_drop_(delta, density, key, start)))
    total, left = math.fsum(before), math.fsum(after)
    return total / left if min(total, left) > 1e-7 else 1.0


def _weighted(inputs: list[torch.Tensor], start: int, factors: list[float], values: Values) -> list[torch.Tensor]:
    base, *tuned = inputs
    for i, delta in enumerate(tuned, start=1):
        delta.sub_(base)
        _drop_(delta, values.each["density"][i], values.streams[i], start)
        delta.mul_(values.each["weight"][i] * factors[i])
    return tuned


def mix_sum(inputs: list[torch.Tensor], start: int, factors: list[float], values: Values) -> torch.Tensor:
    """Mix one block by adding task vectors, see `Elementwise.mix`."""
    total, *rest = _weighted(inputs, start, factors, values)
    for delta in rest:
        total.add_(delta)
    return add_scaled_(inputs[0], total, values["lambda"] / divisor(values))


def mix_votes(inputs: list[torch.Tensor], start: int, factors: list[float], values: Values) -> torch.Tensor:
    """Mix one block by electing signs, see `Elementwise.mix`."""
    weighted = _weighted(inputs, start, factors, values)
    merged = elect(weighted, list(values.each["weight"][1:]), values["normalize"])
    return add_scaled_(inputs[0], merged, values["lambda"])


_WORDS = (
    "Drops random changes of each model and scales up the others, which preserves each model's skills on average and "
    "reduces interference between models. The draw depends only on the seed, so the same recipe gives the same model. "
)

_LINEAR = Elementwise(
    is_random=True,
    name="dare_linear",
    title="DARE (linear)",
    words=_WORDS + "The remaining changes are added, as in task arithmetic.",
    formula=r"W = B + \lambda \sum_i w_i \frac{z_i \odot \delta_i}{p_i},\quad z_i \sim \mathrm{Bernoulli}(p_i)",
    mix=mix_sum,
    anywhere=True,
    portable=True,
    reference="Yu et al. 2024, Language models are Super Mario, https://arxiv.org/abs/2311.03099",
    parameters=(WEIGHT, DENSITY, NORMALIZE, LAMBDA, RESCALE),
    base="required",
    inputs=(1, None),
    look=_look,
)


METHODS = (
    _LINEAR,
    replace(
        _LINEAR,
        name="dare_ties",
        title="DARE + TIES",
        words=_WORDS + "Signs are elected among the remaining changes, as in TIES.",
        formula=r"W = B + \lambda \sum_i m_i w_i \frac{z_i \odot \delta_i}{p_i},\quad z_i \sim \mathrm{Bernoulli}(p_i)",
        mix=mix_votes,
    ),
)
