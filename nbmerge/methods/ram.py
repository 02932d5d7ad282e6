"""RAM: average the changes that models share, and keep in full those that only one of them made."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from nbmerge.methods.framework.method import Elementwise, Parameter, Values

if TYPE_CHECKING:
    import torch

    from nbmerge.methods.framework.input_blocks import InputBlocks


_EPSILON = Parameter(
    "epsilon", "Largest change with which a weight counts as unchanged.", default=1e-5, low=0.0, slider=(0.0, 1e-3)
)
_R = Parameter(
    "r",
    "How strongly changes that only one model made are amplified by its overlap with the others.",
    default=0.1,
    low=0.0,
)
_ALPHA = Parameter(
    "alpha",
    "Overlap (shared changes per own change) above which the amplification no longer grows.",
    default=0.2,
    low=0.0,
)


def _active(inputs: list[torch.Tensor], epsilon: float) -> tuple[list[torch.Tensor], torch.Tensor]:
    """Task vectors without what counts as unchanged, and at each element the number of models that changed it."""
    base, *tuned = inputs
    count = base.new_zeros(base.shape)
    for delta in tuned:
        delta.sub_(base)
        delta.masked_fill_(delta.abs() <= epsilon, 0.0)
        count.add_(delta.ne(0))
    return tuned, count


def count_changes(inputs: list[torch.Tensor], start: int, epsilon: float) -> list[tuple[int, int]]:
    """For each model, how many of a block's elements only this model changed, and how many others changed as well."""
    tuned, count = _active(inputs, epsilon)
    alone, together = count.eq(1), count.gt(1)
    changes = [delta.ne(0) for delta in tuned]
    return [(int((changed & alone).sum()), int((changed & together).sum())) for changed in changes]


def _look(tensors: InputBlocks, values: Values) -> list[float]:
    """Factor on each model's own changes."""
    own = [0] * (len(tensors.inputs) - 1)
    shared = list(own)
    for _, counts in tensors.apply(count_changes, values["epsilon"]):
        for i, (alone, together) in enumerate(counts):
            own[i] += alone
            shared[i] += together
    ratios = [s / o if o else 0.0 for s, o in zip(shared, own, strict=True)]
    return [1.0 + values["r"] * min(ratio, values["alpha"]) for ratio in ratios]


def mix(inputs: list[torch.Tensor], start: int, factors: list[float] | None, values: Values) -> torch.Tensor:
    """Mix one block, see `Elementwise.mix`."""
    base = inputs[0]
    tuned, count = _active(inputs, values["epsilon"])
    total = base.new_zeros(base.shape)
    for i, delta in enumerate(tuned):
        total.add_(delta if factors is None else delta.mul_(count.eq(1) * (factors[i] - 1.0) + 1.0))
    return base.add_(total.div_(count.clamp_(min=1.0)))


_WORDS = (
    "A change that only one model made is kept in full; changes that several models made are averaged. Designed for models "
    "trained by reinforcement learning, which change few weights and mostly different ones"
)

_RAM = Elementwise(
    name="ram",
    title="RAM",
    words=_WORDS + ".",
    formula=r"W = B + \frac{\sum_i a_i\delta_i}{\max(1, \sum_i a_i)},\quad a_i = [\,|\delta_i| > \epsilon\,]",
    parameters=(_EPSILON,),
    reference="Yuan et al. 2026, Behavior Knowledge Merge in Reinforced Agentic Models, https://arxiv.org/abs/2601.13572",
    base="required",
    inputs=(1, None),
    mix=mix,
    anywhere=True,
    portable=True,
)


METHODS = (
    _RAM,
    replace(
        _RAM,
        name="ramplus_tl",
        title="RAM+ (per tensor)",
        words=_WORDS + "; changes that only one model made are amplified by its overlap with the others.",
        formula=r"W = B + \frac{\sum_i a_i s_i \delta_i}{\max(1, \sum_i a_i)},\quad s_i = 1 + r\min(\rho_i, \alpha)"
        r"\ \mathrm{where\ only}\ i\ \mathrm{changed,\ else}\ 1",
        parameters=(_EPSILON, _R, _ALPHA),
        look=_look,
    ),
)
