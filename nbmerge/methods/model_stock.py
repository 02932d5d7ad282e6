"""Model stock: how far to go from the base towards the models' mean, read off the angle between their task vectors."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from nbmerge.methods.framework.method import Combination, Elementwise, MethodFields, Parameter, Values
from nbmerge.methods.numerics.fused import add_scaled_
from nbmerge.methods.numerics.geometry import cosines, placed, row_products

if TYPE_CHECKING:
    import torch


_FILTER_WISE = Parameter(
    "filter_wise", "One angle for each row of a matrix instead of one for the tensor.", default=False, kind="flag"
)

CANCELLED = 1e-6
"""Length of the mean of unit changes, squared and times their number, below which they cancel out."""


def _share(cosine: np.ndarray, count: int) -> np.ndarray:
    """Share t of the mean, N cos θ / (1 + (N−1) cos θ), at least −1; 0 where the changes cancel out."""
    total = 1.0 + (count - 1) * cosine
    t = np.divide(count * cosine, total, out=np.zeros_like(cosine), where=~(total <= CANCELLED))
    return np.maximum(t, -1.0)  # the more they point apart, the less their mean says where the centre lies


def _mean_cosine(gram: np.ndarray) -> np.ndarray:
    """Mean over the pairs, for one Gram matrix or a stack of them."""
    first, second = np.triu_indices(gram.shape[-1], 1)
    return cosines(gram)[..., first, second].mean(-1)


def _coefficients(values: Values, gram: np.ndarray) -> list[float]:
    count = len(gram) - 1
    t = placed(_share(_mean_cosine(gram[None, 1:, 1:]), count), based=False)[0]
    return placed(np.full(count, t / count), based=True)


def _note(values: Values, gram: np.ndarray) -> str | None:
    return "changes point apart, moved away from their mean" if _mean_cosine(gram[1:, 1:]) < 0 else None


def find_row_factors(products: np.ndarray) -> list[np.ndarray]:
    """What each row's mean − base is multiplied by, besides 1, given the inner products of its task vectors.

    Returns
    -------
    list of one ndarray of float64, shape (rows,)
    """
    return [_share(_mean_cosine(products), products.shape[-1]) - 1.0]


def mix_rows(inputs: list[torch.Tensor], start: int, state: None, values: Values) -> torch.Tensor:
    """Mix a block of whole rows, see `Elementwise.mix`."""
    base, first, *rest = inputs
    (factors,) = find_row_factors(row_products([own - base for own in inputs[1:]]))
    mean = first.clone()
    for own in rest:
        add_scaled_(mean, own.sub_(first), 1.0 / (len(inputs) - 1))
    # W = mean + (t−1)(mean − B): equal inputs give themselves, bit for bit.
    return base.neg_().add_(mean).mul_(base.new_tensor(factors).unsqueeze(1)).add_(mean)


_FIELDS: MethodFields = {
    "name": "model_stock",
    "title": "Model stock",
    "words": "Averages the models and moves from the base model towards that mean, the further the more their changes agree "
    "in direction. It needs no weights: the angle between the changes determines the share.",
    "formula": r"W = t\,\bar W + (1-t) B,\quad t = \frac{N\cos\theta}{1 + (N-1)\cos\theta}",
    "reference": "Jang et al. 2024, Model Stock, https://arxiv.org/abs/2403.19522",
    "parameters": (_FILTER_WISE,),
    "base": "required",
    "inputs": (3, None),
}
_BY_ROW = Elementwise(mix=mix_rows, whole="row", portable=True, **_FIELDS)


METHODS = (
    Combination(
        coefficients=_coefficients,
        needs_gram=True,
        note=_note,
        variant=lambda values: _BY_ROW if values["filter_wise"] else None,
        **_FIELDS,
    ),
)
