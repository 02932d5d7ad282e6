"""Lengths, angles and arcs of tensors that are known by their Gram matrix alone.

A combination of tensors is its coefficients; its inner products with others follow from them and the Gram matrix.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from nbmerge.methods.framework.method import Values
from nbmerge.methods.numerics.sums import inner_products

if TYPE_CHECKING:
    import torch

NOISE = 1e-12
"""Coefficients this near to 0 or 1 are meant to be that, so that a model that is taken alone keeps its bytes."""
PARALLEL = 1e-12
"""1 − cosine below which an arc and a line are the same number."""
OPPOSITE = 0.9995
"""−cosine above which there is no one shortest arc and a line is taken, as in slerp."""


def has_base(values: Values) -> bool:
    """Whether the first input is a base that the others are compared to, in methods where it is optional."""
    return any(row[0] is None for row in values.each.values())


def products(gram: np.ndarray, based: bool) -> np.ndarray:
    """Gram matrix of what is merged: the task vectors where there is a base, else the weights themselves.

    Parameters
    ----------
    gram : ndarray, shape (n, n)
        Over [W₀, W₁−W₀, …].
    """
    if based:
        return gram[1:, 1:]
    lift = np.eye(len(gram))
    lift[1:, 0] = 1.0
    return lift @ gram @ lift.T


def placed(coefficients: np.ndarray, based: bool) -> list[float]:
    """Coefficients of the inputs from those of what is merged; the base takes what is missing to one."""
    ends = np.clip(np.rint(coefficients), -1.0, 1.0)
    own = np.where(np.abs(coefficients - ends) < NOISE, ends, coefficients).tolist()
    if not based:
        return own
    rest = 1.0 - sum(own)
    return [0.0 if abs(rest) < NOISE else rest, *own]


def cosines(gram: np.ndarray) -> np.ndarray:
    """Cosines between vectors, for one Gram matrix or a stack of them; 0 with a vector that is zero."""
    norms = np.sqrt(np.clip(np.diagonal(gram, axis1=-2, axis2=-1), 0.0, None))
    with np.errstate(invalid="ignore"):  # infinities become NaN, which the engine finds in the result
        inverse = np.divide(1.0, norms, out=np.zeros_like(norms), where=norms > 0)
        return np.clip(gram * inverse[..., :, None] * inverse[..., None, :], -1.0, 1.0)


def row_products(vectors: list[torch.Tensor]) -> np.ndarray:
    """Gram matrix of each row of a block.

    Parameters
    ----------
    vectors : list of k Tensors of shape (rows, columns)

    Returns
    -------
    ndarray of float64, shape (rows, k, k)
    """
    import torch

    return inner_products(torch.stack(vectors, 1)).numpy()


def arc(aa: np.ndarray, ab: np.ndarray, bb: np.ndarray, t: float) -> tuple[np.ndarray, np.ndarray]:
    """Coefficients of a and b at share t of the arc from a to b, for one pair or many.

    Parameters
    ----------
    aa, ab, bb : ndarray
        Inner products, float64.
    t : float

    Returns
    -------
    (ndarray, ndarray)
        sin((1−t)θ)/sin θ and sin(tθ)/sin θ; 1−t and t where the vectors are parallel or opposite. A zero vector
        counts as perpendicular.
    """
    norms = np.sqrt(np.clip(aa * bb, 0.0, None))
    with np.errstate(invalid="ignore"):
        cosine = np.clip(np.divide(ab, norms, out=np.zeros_like(norms), where=norms > 0), -1.0, 1.0)
    straight = (1.0 - cosine < PARALLEL) | (cosine < -OPPOSITE)
    angle = np.arccos(np.where(straight, 0.0, cosine))
    first = np.sin((1.0 - t) * angle) / np.sin(angle)
    second = np.sin(t * angle) / np.sin(angle)
    return np.where(straight, 1.0 - t, first), np.where(straight, t, second)
