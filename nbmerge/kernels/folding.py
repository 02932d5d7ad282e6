"""Parts of loops that sum in the order of `nbmerge.methods.numerics.halve`: the second half of the terms is added to the first."""

from __future__ import annotations

import numpy as np

from nbmerge.kernels.compiler import part


@part
def fold(sums: np.ndarray) -> float:
    """Add the second half to the first until one number is left."""
    half = 1
    while half < sums.size:
        half *= 2
    while half > 1:
        half //= 2
        for k in range(min(half, sums.size - half)):
            sums[k] += sums[half + k]
    return sums[0]
