"""Fisher-weighted averaging: each weight from the models that depend on it most, on the texts of each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbmerge.methods.framework.method import Combination, Elementwise, MethodFields, Parameter, Values
from nbmerge.methods.numerics.gathered import (
    STATISTICS,
    advise_gathering,
    check_files,
    check_weighted,
    is_plain_mean,
    read_all,
    weighted_mean,
)
from nbmerge.methods.numerics.spectral import WEIGHT_OF_ONE

if TYPE_CHECKING:
    import torch

    from nbmerge.methods.framework.input_blocks import InputBlocks

_FLOOR = Parameter(
    "floor", "What is added to the statistics of every weight, relative to their mean in the tensor.",
    default=0.3, low=1e-6, slider=(1e-6, 1.0),
)  # fmt: skip


def _look(tensors: InputBlocks, values: Values) -> tuple[list[torch.Tensor], float] | None:
    """The statistics of each model as flat, memory-mapped tensors, and what is added to them; None if any is missing."""
    found = read_all(tensors, values, tuple(tensors.inputs[0].shape))
    if found is None:
        return None
    known = [f.view(-1) for f in found]
    mean = sum(float(_mean(f)) for f in known) / len(known)
    return known, max(values["floor"] * mean, 1e-38)


def _mean(statistics: torch.Tensor) -> float:
    """The mean in float32, without a copy of the whole tensor in float32."""
    total = sum(float(piece.float().sum()) for piece in statistics.split(1 << 20))
    return total / max(1, statistics.numel())


def _mix(
    inputs: list[torch.Tensor], start: int, state: tuple[list[torch.Tensor], float] | None, values: Values
) -> torch.Tensor:
    first, weights = inputs[0], values.each["weight"]
    if state is None:
        shares = [first.new_tensor(w) for w in weights]
    else:
        known, floor = state
        blocks = [f[start : start + len(first)].to(first.dtype) for f in known]
        shares = [w * (block + floor) for w, block in zip(weights, blocks, strict=True)]
    total = shares[0].clone()
    for share in shares[1:]:
        total = total + share
    result = first.clone()
    for own, share in zip(inputs[1:], shares[1:], strict=True):
        result.add_(own.sub_(first).mul_(share / total))  # equal models give themselves
    return result


_FIELDS: MethodFields = {
    "name": "fisher",
    "title": "Fisher-weighted averaging",
    "words": "Averages each weight of the models, weighted by how much the predictions of each depend on it, on its own texts. "
    "It needs squared derivatives of every weight, which nbmerge.gather_statistics gathers from a few hundred texts.",
    "formula": r"W = \frac{\sum_i w_i (F_i + \phi) W_i}{\sum_i w_i (F_i + \phi)},\quad "
    r"F_i = \tfrac{1}{n} \sum_t \Big(\frac{\partial \log p_i(x_t)}{\partial W_i}\Big)^2",
    "reference": "Matena and Raffel 2022, Merging Models with Fisher-Weighted Averaging, https://arxiv.org/abs/2111.09832",
    "parameters": (WEIGHT_OF_ONE, STATISTICS, _FLOOR),
    "base": "none",
    "inputs": (1, None),
}
_MEAN = Combination(coefficients=weighted_mean, check=check_weighted, require=check_files, **_FIELDS)


def _variant(values: Values) -> Combination | None:
    """The mean, where nothing is known of the models."""
    return _MEAN if is_plain_mean(values) else None


METHODS = (
    Elementwise(
        mix=_mix,
        look=_look,
        variant=_variant,
        check=check_weighted,
        require=check_files,
        advise=advise_gathering,
        **_FIELDS,
    ),
)
