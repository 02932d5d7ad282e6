"""Consensus merging: of the summed task vectors, keep the elements that matter to several tasks.

A task's TALL mask marks where its own change is large beside what the other tasks put on top of it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from nbmerge.methods.framework.method import Elementwise, Parameter, Values
from nbmerge.methods.numerics.fused import add_scaled_
from nbmerge.methods.task_arithmetic import LAMBDA, WEIGHT

if TYPE_CHECKING:
    import torch


_MASK = Parameter(
    "threshold", "A model needs a change if it is at least this share of the change that the other models make.",
    default=0.4, low=0.0, slider=(0.0, 1.0),
)  # fmt: skip
_AGREE = Parameter(
    "agreement", "Number of models that must need an element for it to be kept.", default=2, low=0, slider=(0.0, 4.0)
)


def mix(inputs: list[torch.Tensor], start: int, state: None, values: Values) -> torch.Tensor:
    """Mix one block, see `Elementwise.mix`."""
    base, *tuned = inputs
    total, needed = base.new_zeros(base.shape), base.new_zeros(base.shape)
    for delta, weight in zip(tuned, values.each["weight"][1:], strict=True):
        total.add_(delta.sub_(base).mul_(weight))
    for delta in tuned:
        needed.add_(delta.abs() >= (total - delta).abs_().mul_(values["threshold"]))
    return add_scaled_(base, total.mul_(needed >= values["agreement"]), values["lambda"])


METHODS = (
    Elementwise(
        name="consensus",
        title="Consensus (TALL masks)",
        words="Adds task vectors, then keeps only the changes that at least two of the models need. Changes that a single "
        "model or no model needs mostly interfere with the others.",
        formula=r"W = B + \lambda\,[\,\sum_i m_i \geq k\,] \odot \delta,\quad \delta = \sum_i w_i\delta_i,\quad "
        r"m_i = [\,|w_i\delta_i| \geq \tau\,|\delta - w_i\delta_i|\,]",
        reference="Wang et al. 2024, Localizing Task Information, https://arxiv.org/abs/2405.07813",
        parameters=(replace(WEIGHT, default=1.0), _MASK, _AGREE, LAMBDA),
        base="required",
        inputs=(3, None),
        mix=mix,
        anywhere=True,
        portable=True,
    ),
)
