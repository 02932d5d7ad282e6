"""What rounding to a dtype does to small changes: most of those below half the spacing of its numbers are lost."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from nbmerge.statistics.tally import EXPONENTS, Tally

DIGITS = {"bfloat16": (7, -126), "float16": (10, -14), "float32": (23, -126), "float64": (52, -1022)}
"""Stored bits of the mantissa, and the exponent below which the spacing no longer falls, of each dtype."""
BIAS = 127


def spacings(dtype: str) -> np.ndarray:
    """The distance of neighbouring numbers of a dtype, for each exponent of `Tally.exponents`; float64, shape (EXPONENTS,).

    Numbers of another dtype than those of `DIGITS` count as exact.
    """
    if dtype not in DIGITS:
        return np.zeros(EXPONENTS)
    bits, least = DIGITS[dtype]
    return np.ldexp(1.0, np.maximum(np.arange(EXPONENTS) - BIAS, least) - bits)


def expect_unchanged(tally: Tally, dtypes: Sequence[Sequence[str]]) -> np.ndarray:
    """How many elements would be unchanged if changes of the measured size were spread over all of them, and rounded.

    Each element is taken to change by a normally distributed amount whose variance is the measured mean square of the
    tensor's changes. Rounding undoes what is below half the spacing of the dtype's numbers around the base's element.

    Parameters
    ----------
    tally : Tally
    dtypes : sequence of sequence of str
        For each tensor, the dtypes of the base and of the models.

    Returns
    -------
    ndarray of float64, shape (tensors, models)
    """
    squares = np.diagonal(tally.gram, axis1=1, axis2=2)[:, 1:]
    found = np.zeros(squares.shape)
    for t, names in enumerate(dtypes):
        count = max(1, int(tally.exponents[t].sum()))
        for m, dtype in enumerate(names[1:]):
            deviation = np.sqrt(squares[t, m] / count)
            half = spacings(dtype) / 2
            with np.errstate(divide="ignore", invalid="ignore"):
                shares = np.where(deviation > 0, _erf(half / (deviation * np.sqrt(2))), 1.0)
            found[t, m] = float(tally.exponents[t] @ shares)
    return found


def rounding_energy(tally: Tally, dtypes: Sequence[Sequence[str]]) -> np.ndarray:
    """Expected sum of squared rounding errors of each tensor in the dtype of each model; float64, shape (tensors, models)."""
    rows = [[float(tally.exponents[t] @ spacings(d) ** 2) / 12 for d in names[1:]] for t, names in enumerate(dtypes)]
    return np.array(rows).reshape(len(rows), -1)


def _erf(x: np.ndarray) -> np.ndarray:
    found: np.ndarray = torch.special.erf(torch.from_numpy(x)).numpy()
    return found
