"""Sums whose order is the same on every processor.

torch and its libraries add in as many lanes as the processor's vectors have, so that their sums differ in the last digit from
processor to processor, and everything that is computed from them. Here the order is part of the definition, and each
step is an addition or a multiplication of single elements, which IEEE 754 defines exactly.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch

LANES = 1 << 14
"""Partial sums of one block. A power of two."""
FEW_SUMS = 16
"""Sums up to which a step of numpy, which starts sooner, takes less time than one of torch."""


def halve(terms: torch.Tensor) -> torch.Tensor:
    """Sum the last dimension in halves: the second half of the terms is added to the first, until one is left.

    Parameters
    ----------
    terms : Tensor of float, shape (..., n)
        On the CPU; overwritten. A half is the largest power of two below n, so that zeros at the end do not change the result.

    Returns
    -------
    Tensor of float, shape (...)
    """
    count = terms.shape[-1]
    if not count:
        return terms.new_zeros(terms.shape[:-1])
    if terms.numel() < FEW_SUMS * count:
        _halve(terms.numpy())
        return terms[..., 0]
    half = (1 << (count - 1).bit_length()) >> 1
    while half:
        terms[..., : count - half].add_(terms[..., half:count])  # += would copy the sum onto itself
        count, half = half, half >> 1
    return terms[..., 0]


def _halve(terms: np.ndarray) -> None:
    """Sum the last dimension into its first element."""
    count = terms.shape[-1]
    half = (1 << (count - 1).bit_length()) >> 1
    with np.errstate(over="ignore", invalid="ignore"):  # infinity and NaN are found in the sums
        while half:
            terms[..., : count - half] += terms[..., half:count]
            count, half = half, half >> 1


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

    values = rows.numpy()
    *shape, count, size = values.shape
    found = np.empty((*shape, count, count))
    for i in range(count):
        lanes = np.empty((*shape, count - i, min(LANES, size)))
        for j in range(i, count):
            lanes[..., j - i, :] = _add_in_lanes(values[..., i, :], values[..., j, :])
        found[..., i, i:] = found[..., i:, i] = halve(torch.from_numpy(lanes)).numpy()
    return torch.from_numpy(found)


def _add_in_lanes(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """The partial sums of the products of two rows."""
    with np.errstate(over="ignore", invalid="ignore"):
        lanes = one[..., :LANES] * other[..., :LANES]
        products = np.empty_like(lanes)
        for first in range(LANES, one.shape[-1], LANES):
            part = one[..., first : first + LANES]
            held = products[..., : part.shape[-1]]
            np.multiply(part, other[..., first : first + LANES], out=held)
            lanes[..., : part.shape[-1]] += held
    return lanes
