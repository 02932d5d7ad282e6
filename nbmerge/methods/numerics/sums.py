"""Sums whose order is the same on every processor.

torch and its libraries add in as many lanes as the processor's vectors have, so that their sums differ in the last digit from
processor to processor, and everything that is computed from them. Here the order is part of the definition, and each
step is an addition or a multiplication of single elements, which IEEE 754 defines exactly.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

LANES = 1 << 14
"""Partial sums of one block. A power of two."""


def halve(terms: torch.Tensor) -> torch.Tensor:
    """Sum the last dimension in halves: the second half of the terms is added to the first, until one is left.

    Parameters
    ----------
    terms : Tensor of float, shape (..., n)
        Overwritten. A half is the largest power of two below n, so that zeros at the end do not change the result.

    Returns
    -------
    Tensor of float, shape (...)
    """
    count = terms.shape[-1]
    if not count:
        return terms.new_zeros(terms.shape[:-1])
    half = (1 << (count - 1).bit_length()) >> 1
    while half:
        terms[..., : count - half].add_(terms[..., half:count])  # += would copy the sum onto itself
        count, half = half, half >> 1
    return terms[..., 0]


def absolute(values: torch.Tensor) -> float:
    """Σ|x| in float64.

    Parameters
    ----------
    values : Tensor of float
    """
    return float(halve(values.abs().double().reshape(-1)))


def squares(values: torch.Tensor) -> float:
    """Σx² in float64.

    Parameters
    ----------
    values : Tensor of float
    """
    return float(halve(values.double().square().reshape(-1)))


def inner_products(rows: torch.Tensor) -> torch.Tensor:
    """Inner products of all pairs of rows.

    Products are added in the dtype of the rows: those of elements k, k + `LANES`, k + 2·`LANES`, … in this order, in a lane
    for each k. The lanes are summed in float64, see `halve`.

    Parameters
    ----------
    rows : Tensor of float32 or float64, shape (..., k, n)

    Returns
    -------
    Tensor of float64, shape (..., k, k)
    """
    import torch

    count, size = rows.shape[-2:]
    found = rows.new_empty((*rows.shape[:-1], count), dtype=torch.float64)
    for i in range(count):
        own, others = rows[..., i : i + 1, :], rows[..., i:, :]
        lanes = own[..., :LANES] * others[..., :LANES]
        products = torch.empty_like(lanes) if size > LANES else lanes
        for first in range(LANES, size, LANES):
            span = slice(first, first + LANES)
            part = own[..., span]
            held = products[..., : part.shape[-1]]
            torch.mul(part, others[..., span], out=held)
            lanes[..., : part.shape[-1]].add_(held)
        found[..., i, i:] = found[..., i:, i] = halve(lanes.double())
    return found
