from __future__ import annotations

import pytest
import torch

from tests.methods.apply import DTYPES, SHAPES, family, merged, ulps, wide


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("t", [0.0, 0.01, 0.1])
@pytest.mark.rest_is_slow(keep=19)
def test_formula(shape, dtype, t):
    tensors = family(shape, 1, dtype)
    base, (delta,) = wide(tensors)
    share = torch.where(delta == 0, 1.0, (t / delta.abs()).clamp(0, 1))
    assert ulps(merged("nearswap", tensors, {"t": t}), base + share * delta, tensors) <= 2


def test_the_ends_of_t_are_the_models():
    base, own = family((9, 4), 1)
    assert torch.equal(merged("nearswap", [base, own], {"t": 0.0}), base)
    assert torch.equal(merged("nearswap", [base, own], {"t": 100.0}), own)
