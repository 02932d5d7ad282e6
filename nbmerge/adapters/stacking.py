"""The matrices of all experts of a parameter as one: their singular values together, and their factors as peft stores them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from nbmerge.adapters.parts import Factors
from nbmerge.statistics.structure.decomposition import Decomposition


def join_decompositions(found: Sequence[Decomposition]) -> Decomposition:
    """Singular values of several matrices of one shape that are cut to the same rank.

    The k-th is √Σσₖ² over the matrices, so that the sum of the squares of the first r is what factors of rank r hold. One
    decomposition is returned as it is; vectors of several are left out.
    """
    if len(found) == 1:
        return found[0]
    most = min(len(each.values) for each in found)
    squares = sum(each.values[:most] ** 2 for each in found)
    errors = sum(each.errors[:most] for each in found)
    nothing = torch.zeros(0, 0)
    energy = sum(each.energy for each in found)
    return Decomposition(np.sqrt(squares), np.asarray(errors), energy, found[0].size, nothing, nothing)


def stack_factors(factors: Sequence[Factors]) -> Factors:
    """Factors of several matrices in the layout of `ExpertProducts`; one pair is returned as it is.

    A of all experts are one below the other, and column k·experts + e of B is the k-th of expert e.
    """
    if len(factors) == 1:
        return factors[0]
    rank = max(each.a.shape[0] for each in factors)
    a = torch.cat([_padded(each.a, rank) for each in factors])
    b = torch.stack([_padded(each.b.T, rank).T for each in factors], dim=2)
    return Factors(b.reshape(b.shape[0], -1), a, sum(each.lost for each in factors))


def _padded(rows: torch.Tensor, count: int) -> torch.Tensor:
    return torch.cat([rows, rows.new_zeros(count - rows.shape[0], rows.shape[1])]) if len(rows) < count else rows
