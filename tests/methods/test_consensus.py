from __future__ import annotations

import pytest
import torch

from tests.methods.apply import DTYPES, SHAPES, family, merged, ulps, wide


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("threshold", "agreement"), [(0.4, 2), (0.2, 1), (1.0, 3), (0.5, 0)])
@pytest.mark.rest_is_slow(keep=25)
def test_formula(shape, dtype, threshold, agreement):
    tensors, weights = family(shape, 3, dtype, seed=7), [1.0, 0.5, 0.8]
    base, deltas = wide(tensors)
    parts = [w * d for w, d in zip(weights, deltas, strict=True)]
    total = sum(parts)
    needed = sum((p.abs() >= threshold * (total - p).abs()).long() for p in parts)
    exact = base + 0.7 * torch.where(needed >= agreement, total, 0)
    given = {"weight": weights, "threshold": threshold, "agreement": agreement, "lambda": 0.7}
    assert ulps(merged("consensus", tensors, given), exact, tensors) <= 2


def test_changes_of_a_single_model_are_left_out():
    base = torch.zeros(3)
    a, b = torch.tensor([5.0, 1.0, 0.0]), torch.tensor([0.0, 1.0, 0.0])
    assert torch.equal(merged("consensus", [base, a, b]), torch.tensor([0.0, 2.0, 0.0]))
