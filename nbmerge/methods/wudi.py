"""WUDI: correct the sum of task matrices until each task meets as little of the others as possible.

The paper lets the rows of a task matrix stand for the layer's inputs on that task, minimises the interference
Σᵢ ‖(Δ − δᵢ)δᵢᵀ‖² / ‖δᵢ‖² by gradient descent from Δ = Σδᵢ, and stops early. The objective is quadratic; here its
minimum is solved for directly, with a ridge towards the start in place of the early stop.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbmerge.methods.framework.method import Elementwise, MethodFields, Parameter, Values
from nbmerge.methods.numerics.fused import add_scaled_
from nbmerge.methods.numerics.spectral import WEIGHT_OF_ONE, otherwise_mean, task_matrices
from nbmerge.methods.task_arithmetic import LAMBDA

if TYPE_CHECKING:
    import torch


_RIDGE = Parameter(
    "ridge", "Regularisation towards the plain sum, relative to the mean strength of an input direction.",
    default=0.1, low=1e-6, slider=(1e-6, 1.0),
)  # fmt: skip


def _mix(inputs: list[torch.Tensor], start: int, state: None, values: Values) -> torch.Tensor:
    base, deltas = inputs[0], task_matrices(inputs, values)
    deltas = [d for d in deltas if d.any()]
    if not deltas:
        return base
    if values.inputs_first:
        return _corrected(base.T, [d.T for d in deltas], values).T
    return _corrected(base, deltas, values)


def _corrected(base: torch.Tensor, deltas: list[torch.Tensor], values: Values) -> torch.Tensor:
    """The base plus the corrected sum of task matrices whose columns stand for the layer's inputs."""
    import torch

    total = torch.stack(deltas).sum(0)
    columns = base.shape[1]
    matrix, pull = base.new_zeros(columns, columns), torch.zeros_like(base)
    for delta in deltas:
        square = (delta.T @ delta).div_(delta.square().sum())
        matrix.add_(square)
        pull.addmm_(delta - total, square)
    matrix.diagonal().add_(values["ridge"] * len(deltas) / columns)
    correction = torch.cholesky_solve(pull.T, torch.linalg.cholesky_ex(matrix).L).T
    return add_scaled_(base, total.add_(correction), values["lambda"])


_FIELDS: MethodFields = {
    "name": "wudi",
    "title": "WUDI",
    "words": "Adds task vectors, then corrects each matrix so that the result matches each task's model along the directions "
    "that the task changed. It needs no data: the task vectors stand for their tasks' inputs.",
    "formula": r"W = B + \lambda\,\arg\min_\Delta \sum_i "
    r"\frac{\|(\Delta - w_i\delta_i)\,\delta_i^{\mathrm{T}}\|^2}{\|\delta_i\|^2}"
    r" + \frac{\rho N}{d}\|\Delta - \sum_i w_i\delta_i\|^2",
    "reference": "Cheng et al. 2025, Whoever Started the Interference Should End It, https://arxiv.org/abs/2503.08099",
    "parameters": (WEIGHT_OF_ONE, LAMBDA, _RIDGE),
    "base": "required",
    "inputs": (1, None),
}


METHODS = (Elementwise(mix=_mix, whole="matrix", variant=otherwise_mean(_FIELDS), **_FIELDS),)
