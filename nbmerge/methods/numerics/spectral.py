"""What methods share that take a layer's weight matrices apart into singular vectors.

Only the matrices inside layers are maps from vectors to vectors. Embeddings, the head, biases and norms get the mean of
the task vectors instead.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from nbmerge.methods.framework.method import Combination, MethodFields, Values, Variant
from nbmerge.methods.task_arithmetic import WEIGHT

if TYPE_CHECKING:
    import torch

WEIGHT_OF_ONE = replace(WEIGHT, default=1.0)


def _mean(values: Values, gram: None = None) -> list[float]:
    weights = values.each["weight"][1:]
    count = sum(w != 0 for w in weights) or 1
    tuned = [values["lambda"] * w / count for w in weights]
    return [1.0 - sum(tuned), *tuned]


def otherwise_mean(fields: MethodFields) -> Variant:
    """A method's `variant` that merges what is not a matrix of a layer by the mean task vector.

    Parameters
    ----------
    fields : MethodFields
    """
    mean = Combination(coefficients=_mean, **fields)

    def variant(values: Values) -> Combination | None:
        return None if values.matrix else mean

    return variant


def task_matrices(inputs: list[torch.Tensor], values: Values) -> list[torch.Tensor]:
    """wᵢδᵢ, in place."""
    base, *tuned = inputs
    return [own.sub_(base).mul_(w) for own, w in zip(tuned, values.each["weight"][1:], strict=True)]


def decompose(matrix: torch.Tensor, most: int | None = None) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The matrix's singular vectors and values U, S, Vᵀ, the largest `most` of them, without those that are zero."""
    import torch

    if not torch.isfinite(matrix).all():  # LAPACK would stop; the engine finds NaN in the result and says whose it is
        return matrix[:, :1] * torch.nan, matrix[0, :1] * torch.nan, matrix[:1] * torch.nan
    u, s, vh = torch.linalg.svd(matrix, full_matrices=False)
    rank = int((s > s[0] * max(matrix.shape) * torch.finfo(s.dtype).eps).sum())
    rank = rank if most is None else min(rank, most)
    return u[:, :rank], s[:rank], vh[:rank]


def nearest_orthogonal(matrix: torch.Tensor) -> torch.Tensor:
    """The matrix nearest to this one whose singular values are 1, or 0 where this one's are."""
    u, _, vh = decompose(matrix)
    return u @ vh
