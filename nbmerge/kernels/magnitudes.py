"""Passes over the magnitudes of a task vector by compiled loops, which read each number once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from nbmerge.kernels.counting import build_collection, build_comparison
from nbmerge.methods.numerics.selection import Passes

Pairs = Callable[[], Iterator[tuple[int, torch.Tensor, torch.Tensor]]]
"""Gives (start, block of the base, block of the model), both as they are stored, for one block after another."""


@dataclass(frozen=True)
class CompiledPasses(Passes):
    """The passes of `Passes` as loops over stored numbers.

    Parameters
    ----------
    pairs : callable
        See `Pairs`.
    kind : int
        How the numbers are stored.
    """

    pairs: Pairs
    kind: int

    def compare(self, values: Sequence[float]) -> Iterator[tuple[int, list[tuple[int, int]]]]:
        """Iterate over (start, for each value the number of magnitudes above it and of those equal to it)."""
        compare, wanted = build_comparison(self.kind), np.array(values, np.float32)
        counts = np.empty((len(values), 2), np.int64)
        for start, base, own in self.pairs():
            compare(base.numel(), base.data_ptr(), own.data_ptr(), wanted, counts)
            yield start, [(above, equal) for above, equal in counts.tolist()]

    def collect(self, low: float, high: float) -> Iterator[tuple[int, int, np.ndarray]]:
        """Iterate over (start, number of magnitudes above `high`, those from `low` to `high`)."""
        collect, inside = build_collection(self.kind), np.empty(0, np.float32)
        for start, base, own in self.pairs():
            if inside.size <= base.numel():
                inside = np.empty(base.numel() + 1, np.float32)
            above, held = collect(
                base.numel(), base.data_ptr(), own.data_ptr(), np.float32(low), np.float32(high), inside
            )
            yield start, above, inside[:held].copy()
