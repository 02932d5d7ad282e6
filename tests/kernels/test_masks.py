"""Random masks of loops are those of the generator in numpy."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("numba")

from nbmerge.kernels.masks import MaskStream
from nbmerge.methods.numerics.random_streams import kept


@pytest.mark.parametrize("probability", [0.5, 0.37, 1 / 256, 1 - 1 / 256, 1e-9, 1 - 1e-12])
@pytest.mark.slow
def test_masks_are_those_of_numpy(probability):
    for start, count in ((0, 1), (5, 1000), (37, 99_991), (1 << 18, 4096)):
        expected = kept("seed/model/tensor", start, count, probability)
        mask = MaskStream("seed/model/tensor", probability)(start, count)
        assert np.array_equal(mask.view(bool), expected)
