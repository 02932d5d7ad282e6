"""TSV-M: keep each task matrix's strongest singular vectors and turn those of different tasks apart."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbmerge.methods.framework.method import Elementwise, MethodFields, Values
from nbmerge.methods.numerics.fused import add_scaled_
from nbmerge.methods.numerics.spectral import (
    WEIGHT_OF_ONE,
    decompose,
    nearest_orthogonal,
    otherwise_mean,
    task_matrices,
)
from nbmerge.methods.task_arithmetic import LAMBDA

if TYPE_CHECKING:
    import torch


def _mix(inputs: list[torch.Tensor], start: int, state: None, values: Values) -> torch.Tensor:
    import torch

    base, deltas = inputs[0], task_matrices(inputs, values)
    if len(deltas) == 1:
        return add_scaled_(base, deltas[0], values["lambda"])
    share = max(1, min(base.shape) // len(deltas))
    u, s, vh = zip(*(decompose(d, share) for d in deltas), strict=True)
    strengths = torch.cat(s)
    if not len(strengths):
        return base
    left, right = nearest_orthogonal(torch.cat(u, 1)), nearest_orthogonal(torch.cat(vh))
    return base.addmm_(left * strengths, right, alpha=values["lambda"])


_FIELDS: MethodFields = {
    "name": "tsv_m",
    "title": "TSV-M (task singular vectors)",
    "words": "Keeps the strongest 1/N of the singular vectors of each of N models, matrix by matrix, and makes the vectors of "
    "different models orthogonal. Each task then has its own directions.",
    "formula": r"W = B + \lambda\, U_\perp \Sigma V_\perp^{\mathrm{T}},\quad U = [U_1 \ldots U_N],\ \Sigma = "
    r"\mathrm{diag}(\Sigma_1 \ldots \Sigma_N),\quad U_i\Sigma_i V_i^{\mathrm{T}} \approx w_i\delta_i",
    "reference": "Gargiulo et al. 2025, Task Singular Vectors, https://arxiv.org/abs/2412.00081",
    "parameters": (WEIGHT_OF_ONE, LAMBDA),
    "base": "required",
    "inputs": (1, None),
}


METHODS = (Elementwise(mix=_mix, whole="matrix", variant=otherwise_mean(_FIELDS), **_FIELDS),)
