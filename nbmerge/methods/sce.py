"""SCE: select the elements where models differ most, weigh models by what they changed there, erase minorities."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from nbmerge.methods.framework.method import Elementwise, Parameter, Values
from nbmerge.methods.numerics.fused import add_scaled_
from nbmerge.methods.numerics.selection import Cut, largest, spread
from nbmerge.methods.numerics.sums import squares

if TYPE_CHECKING:
    import torch

    from nbmerge.methods.framework.input_blocks import InputBlocks


_TOP = Parameter(
    "select_topk", "Share of the differing elements that is merged, those with the largest variance first.",
    default=1.0, low=0.0, high=1.0,
)  # fmt: skip


def _variance(inputs: list[torch.Tensor]) -> torch.Tensor:
    """Variance over the models at each element, exactly 0 where they agree."""
    first, *rest = inputs[1:]
    apart = [own - first for own in rest]
    count = len(apart) + 1
    mean = first.new_zeros(first.shape)
    for own in apart:
        add_scaled_(mean, own, 1.0 / count)
    total = mean.square()
    for own in apart:
        total.add_(own.sub_(mean).square_())
    return total.div_(count)


def variances(inputs: list[torch.Tensor], start: int) -> np.ndarray:
    """Variance over the models at each element of a block."""
    return _variance(inputs).numpy()


def energies(inputs: list[torch.Tensor], start: int, cut: Cut | None) -> list[float]:
    """Σδ² of each model over the selected elements of a block."""
    return [squares(delta) for delta in _selected(inputs, start, cut)]


def _cut(tensors: InputBlocks, share: float) -> Cut | None:
    """What is selected; None for everything."""
    if share >= 1:
        return None
    differing, samples = 0, []
    for start, found in tensors.apply(variances):
        differing += int(np.count_nonzero(found != 0))  # counting in booleans is faster
        samples.append(spread(found, start, tensors.count))
    return largest(
        lambda: tensors.apply(variances), tensors.count, int(share * differing), lambda: np.concatenate(samples)
    )


def _selected(inputs: list[torch.Tensor], start: int, cut: Cut | None) -> list[torch.Tensor]:
    """Task vectors at the elements selected, 0 elsewhere."""
    base, *tuned = inputs
    drop = None if cut is None else cut.apply(_variance(inputs), start).eq(0)
    for delta in tuned:
        delta.sub_(base)
        if drop is not None:
            delta.masked_fill_(drop, 0.0)
    return tuned


def _look(tensors: InputBlocks, values: Values) -> tuple[Cut | None, list[float]]:
    cut = _cut(tensors, values["select_topk"])
    found = [block for _, block in tensors.apply(energies, cut)]
    sums = [math.fsum(block[i] for block in found) for i in range(len(tensors.inputs) - 1)]
    total = sum(sums)
    return cut, [e / total if total > 0 else 1.0 / len(sums) for e in sums]


def mix(inputs: list[torch.Tensor], start: int, state: tuple[Cut | None, list[float]], values: Values) -> torch.Tensor:
    """Mix one block, see `Elementwise.mix`."""
    base = inputs[0]
    cut, shares = state
    tuned = _selected(inputs, start, cut)
    total = tuned[0].clone()
    for delta in tuned[1:]:
        total.add_(delta)
    sign = total.ge(0).to(base.dtype).mul_(2).sub_(1)
    merged, weight = total.zero_(), sign.new_zeros(sign.shape)
    for delta, share in zip(tuned, shares, strict=True):
        agrees = (delta * sign).gt_(0)
        add_scaled_(merged, delta.mul_(agrees), share)
        weight.add_(agrees, alpha=share)  # a product with 0 or 1 is exact
    return base.add_(merged.div_(weight.masked_fill_(weight.eq(0), 1.0)))


METHODS = (
    Elementwise(
        name="sce",
        title="SCE",
        words="Selects the elements on which the models differ most, weighs each model by the energy of its changes there, "
        "and drops changes whose sign differs from the majority's. Weights are computed from the models, not set.",
        formula=r"W = B + \frac{\sum_i \omega_i m_i \delta_i}{\sum_i \omega_i m_i},\quad \omega_i = "
        r"\frac{\|\delta_i\|^2}{\sum_j \|\delta_j\|^2},\quad "
        r"m_i = [\mathrm{sign}(\delta_i) = \mathrm{sign}(\sum_j\delta_j)]",
        reference="Wan et al. 2024, FuseChat, https://arxiv.org/abs/2408.07990",
        parameters=(_TOP,),
        base="required",
        inputs=(1, None),
        look=_look,
        mix=mix,
        anywhere=True,
        portable=True,
    ),
)
