"""RegMean: the weights whose outputs are closest to those of all models, on the texts of each.

For a linear layer, ‖X(W − Wᵢ)ᵀ‖² summed over the models has its minimum where Σ (W − Wᵢ)Gᵢ = 0, with Gᵢ = XᵢᵀXᵢ the products of
the layer's inputs in model i. Entries of Gᵢ beside the diagonal are reduced, as in the paper, which regularises the system.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

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

_REDUCTION = Parameter(
    "reduction", "Factor on the products of different inputs: 1 is the exact regression, 0 treats inputs as independent.",
    default=0.9, low=0.0, high=1.0,
)  # fmt: skip


def _look(tensors: InputBlocks, values: Values) -> list[torch.Tensor] | None:
    """For each model but the first, Gᵢ(ΣG)⁻¹; None where nothing was gathered for the tensor."""
    import torch

    width = tensors.count // tensors.columns if values.inputs_first else tensors.columns
    found = read_all(tensors, values, (width, width))
    if found is None:
        return None
    weights = values.each["weight"]

    def products_of(i: int) -> torch.Tensor:
        """wᵢGᵢ in float64, read again whenever it is needed: a large one takes gigabytes."""
        return _reduce(found[i].double(), values["reduction"]).mul_(weights[i])

    total = products_of(0)
    for i in range(1, len(found)):
        total.add_(products_of(i))
    total.diagonal().add_(torch.finfo(torch.float32).eps * total.diagonal().mean())  # inputs that never occur
    total = torch.linalg.cholesky_ex(total).L
    return [torch.cholesky_solve(products_of(i), total).T.float() for i in range(1, len(found))]


def _held_bytes(values: Values, shape: tuple[int, ...], inputs: int) -> int:
    """Three matrices in float64 while a system is solved, and what was found for the other models."""
    width = shape[-2 if values.inputs_first else -1]
    return width * width * (3 * 8 + 4 * (inputs - 1))


def _reduce(products: torch.Tensor, factor: float) -> torch.Tensor:
    """Multiply everything beside the diagonal of a matrix by a factor, in place."""
    diagonal = products.diagonal().clone()
    products.mul_(factor).diagonal().copy_(diagonal)
    return products


def _mix(inputs: list[torch.Tensor], start: int, shares: list[torch.Tensor] | None, values: Values) -> torch.Tensor:
    first, *rest = inputs
    if shares is None:
        for own, weight in zip(rest, weighted_mean(values)[1:], strict=True):
            first = first.add(own.sub_(inputs[0]), alpha=weight)
        return first
    deltas: list[Any] = [own.sub_(inputs[0]) for own in rest]  # equal models give themselves
    for delta, share in zip(deltas, shares, strict=True):
        share = share.to(delta.dtype)
        first = first.add(share.T @ delta if values.inputs_first else delta @ share)
    return first


_FIELDS: MethodFields = {
    "name": "regmean",
    "title": "RegMean (regression mean)",
    "words": "Chooses the matrices of layers so that their outputs are as close as possible to those of each model on its own texts. "
    "It needs statistics of the inputs of each layer, which nbmerge.gather_statistics gathers from a few hundred texts.",
    "formula": r"W = \Big(\sum_i w_i W_i G_i\Big) \Big(\sum_i w_i G_i\Big)^{-1},\quad G_i = \tfrac{1}{n} X_i^{\mathrm{T}} X_i",
    "reference": "Jin et al. 2023, Dataless Knowledge Fusion by Merging Weights of Language Models, https://arxiv.org/abs/2212.09849",
    "parameters": (WEIGHT_OF_ONE, STATISTICS, _REDUCTION),
    "base": "none",
    "inputs": (1, None),
}


_MEAN = Combination(coefficients=weighted_mean, check=check_weighted, require=check_files, **_FIELDS)
_WHOLE = Elementwise(
    mix=_mix,
    look=_look,
    held_bytes=_held_bytes,
    whole="matrix",
    portable=False,
    check=check_weighted,
    require=check_files,
    **_FIELDS,
)


def _variant(values: Values) -> Combination | Elementwise | None:
    """Averages vectors, embeddings, heads and what has no statistics; where rows are inputs, a matrix is mixed as a whole."""
    if not values.matrix or is_plain_mean(values):
        return _MEAN
    return _WHOLE if values.inputs_first else None


METHODS = (
    Elementwise(
        mix=_mix,
        look=_look,
        held_bytes=_held_bytes,
        whole="row",
        portable=False,
        variant=_variant,
        check=check_weighted,
        require=check_files,
        advise=advise_gathering,
        **_FIELDS,
    ),
)
