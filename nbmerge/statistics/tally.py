"""What is counted while a base and its models are read once, block by block."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch

from nbmerge.kernels import find_loops
from nbmerge.methods.numerics import inner_products

BINS = 96
_FIRST = 2 * (127 - 40)
"""The float32 bits of 2⁻⁴⁰ without all but the first bit of the mantissa."""
EDGES = (np.arange(_FIRST + 1, _FIRST + BINS, dtype=np.int32) << 22).view(np.float32)
"""Inner edges of the histogram's bins, two in each octave: 1.5·2⁻⁴⁰, 2⁻³⁹, 1.5·2⁻³⁹, …, 128, 192."""


FIELDS = ("gram", "total", "largest", "same", "opposite", "equal", "histogram", "mass", "exponents")
"""The arrays of a tally."""
EXPONENTS = 256
"""Different exponents of a float32."""
SAMPLED = 4096
"""Elements of the base that are sampled in each block for `Tally.exponents`."""


class Tally:
    """Sums over the elements of tensors, for a base and n models; δᵢ is a model's difference from the base.

    Parameters
    ----------
    tensors, models : int
        How many there are; the base is not counted as a model.

    Attributes
    ----------
    gram : ndarray of float64, shape (tensors, n + 1, n + 1)
        Inner products of [base, δ₁ … δₙ].
    total, largest : ndarray of float64, shape (tensors, n)
        Σ|δ| and max|δ|.
    same, opposite : ndarray of float64, shape (tensors, n, n)
        Elements at which δᵢ and δⱼ are both not zero and have the same sign, or opposite ones. `same[t, i, i]` is the
        number of elements that model i changed.
    equal : ndarray of float64, shape (tensors, n, n)
        Elements at which models i and j have the same value; all of them for i = j.
    histogram : ndarray of int64, shape (tensors, n, BINS)
        |δ| by size. The first bin is everything below `EDGES[0]`, zeros included; the last is all from `EDGES[-1]` on.
    mass : ndarray of float64, shape (tensors, n, BINS)
        Σ|δ| of the elements in each bin.
    exponents : ndarray of int64, shape (tensors, EXPONENTS)
        How many elements of the base have each exponent (biased by 127, as float32 stores it); counted in a sample and scaled
        to the number of elements. The spacing of a dtype's numbers around the base follows from it.
    """

    def __init__(self, tensors: int, models: int):
        self.gram = np.zeros((tensors, models + 1, models + 1))
        self.total, self.largest = np.zeros((tensors, models)), np.zeros((tensors, models))
        self.same, self.opposite = np.zeros((tensors, models, models)), np.zeros((tensors, models, models))
        self.histogram = np.zeros((tensors, models, BINS), dtype=np.int64)
        self.equal = np.zeros((tensors, models, models))
        self.mass = np.zeros((tensors, models, BINS))
        self.exponents = np.zeros((tensors, EXPONENTS), dtype=np.int64)

    def find_loop(self, dtypes: Sequence[str]) -> Callable[[int, list[torch.Tensor]], None] | None:
        """The compiled form of `add` for inputs of these dtypes, if there is one; it takes their blocks as they are stored."""
        loops = find_loops()
        fused = loops.fuse_differences(dtypes, BINS, _FIRST, SAMPLED) if loops else None
        if fused is None:
            return None

        def add(t: int, blocks: list[torch.Tensor]) -> None:
            pairs = self.same[t], self.opposite[t], self.equal[t]
            fused(blocks, self.exponents[t], self.gram[t], self.largest[t], *pairs, self.histogram[t], self.mass[t])
            self.total[t] = self.mass[t].sum(1)

        return add

    def add(self, t: int, rows: torch.Tensor) -> None:
        """Count one block of tensor t.

        Parameters
        ----------
        rows : Tensor, shape (n + 1, elements)
            The base's elements and the models'; overwritten. Only one thread may add to the same tensor.
        """
        self.exponents[t] += _exponents(rows[0])
        for i, own in enumerate(rows[1:]):
            self.equal[t, i, i] += own.numel()
            for j, other in enumerate(rows[2 + i :], start=i + 1):
                self.equal[t, i, j] = self.equal[t, j, i] = self.equal[t, i, j] + int(own.eq(other).sum())
        deltas = rows[1:].sub_(rows[:1])
        self.gram[t] += inner_products(rows).numpy()
        if not len(deltas):
            return
        signs = deltas.sign()  # counts stay below 2²⁴ within a block, so their products are exact
        net = (signs @ signs.T).double().numpy()
        both = (signs.abs_() @ signs.T).double().numpy()
        self.same[t] += (both + net) / 2
        self.opposite[t] += (both - net) / 2
        sizes = deltas.abs_()
        self.largest[t] = np.maximum(self.largest[t], sizes.amax(1).double().numpy())
        for histogram, mass, size in zip(self.histogram[t], self.mass[t], sizes, strict=True):
            bins = _bins(size)
            histogram += torch.bincount(bins, minlength=BINS).numpy()
            # Exact, whatever the order, for all bins but the outer two: their numbers share an exponent.
            mass += torch.bincount(bins, size.double(), minlength=BINS).numpy()
        self.total[t] = self.mass[t].sum(1)


def _bins(sizes: torch.Tensor) -> torch.Tensor:
    """Bins by exponent and first bit of the mantissa, read off the bits of float32."""
    return (sizes.float().view(torch.int32) >> 22).sub_(_FIRST).clamp_(0, BINS - 1)


def _exponents(base: torch.Tensor) -> np.ndarray:
    """The exponents of a block of the base, by a sample; they add up to the number of elements."""
    stride = max(1, len(base) // SAMPLED)
    found = torch.bincount((base[::stride].float().view(torch.int32) >> 23).bitwise_and_(0xFF), minlength=EXPONENTS)
    shares = np.cumsum(found.numpy()) / max(1, int(found.sum()))
    return np.diff(np.rint(shares * len(base)).astype(np.int64), prepend=0)
