"""Iso-C: give every direction of the summed task matrices the same strength."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbmerge.methods.framework.method import Elementwise, MethodFields, Values
from nbmerge.methods.numerics.spectral import WEIGHT_OF_ONE, decompose, otherwise_mean, task_matrices
from nbmerge.methods.task_arithmetic import LAMBDA

if TYPE_CHECKING:
    import torch


def _mix(inputs: list[torch.Tensor], start: int, state: None, values: Values) -> torch.Tensor:
    total, *rest = task_matrices(inputs, values)
    for delta in rest:
        total.add_(delta)
    u, s, vh = decompose(total)
    if not len(s):
        return inputs[0]
    return inputs[0].addmm_(u, vh, alpha=values["lambda"] * float(s.mean()))


_FIELDS: MethodFields = {
    "name": "iso_c",
    "title": "Iso-C (isotropic)",
    "words": "Adds task vectors and sets the singular values of each matrix's sum to their mean. Otherwise, a few shared "
    "directions dominate those that only one task needs.",
    "formula": r"W = B + \lambda\,\bar\sigma\, U V^{\mathrm{T}},\quad U \Sigma V^{\mathrm{T}} = \sum_i w_i\delta_i,"
    r"\quad \bar\sigma = \frac{1}{r} \sum_k \Sigma_{kk}",
    "reference": "Marczak et al. 2025, No Task Left Behind, https://arxiv.org/abs/2502.04959",
    "parameters": (WEIGHT_OF_ONE, LAMBDA),
    "base": "required",
    "inputs": (1, None),
}


METHODS = (Elementwise(mix=_mix, whole="matrix", variant=otherwise_mean(_FIELDS), **_FIELDS),)
