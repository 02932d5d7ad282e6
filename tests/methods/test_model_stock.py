from __future__ import annotations

from itertools import combinations

import pytest
import torch

from tests.methods.apply import DTYPES, SHAPES, family, merged, ulps, wide


def formula(base: torch.Tensor, deltas: list[torch.Tensor]) -> torch.Tensor:
    cosines = []
    for a, b in combinations(deltas, 2):
        norms = a.norm() * b.norm()
        cosines.append(float((a * b).sum() / norms) if norms else 0.0)
    cosine, count = sum(cosines) / len(cosines), len(deltas)
    total = 1 + (count - 1) * cosine
    t = max(-1.0, count * cosine / total) if total > 1e-6 else 0.0
    return base + t * sum(deltas) / count


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("filter_wise", [False, True])
@pytest.mark.parametrize("count", [2, 3])
@pytest.mark.rest_is_slow(keep=25)
def test_formula(shape, dtype, filter_wise, count):
    tensors = family(shape, count, dtype, seed=5)
    base, deltas = wide(tensors)
    if filter_wise and len(shape) > 1:
        rows = [x.reshape(-1, shape[-1]) for x in (base, *deltas)]
        exact = torch.stack([formula(b, list(d)) for b, *d in zip(*rows, strict=True)]).view(shape)
    else:
        exact = formula(base, deltas)
    assert ulps(merged("model_stock", tensors, {"filter_wise": filter_wise}), exact, tensors) <= 2


@pytest.mark.parametrize("filter_wise", [False, True])
def test_common_changes_are_kept_and_opposite_ones_dropped(filter_wise):
    base, own = family((6, 5), 1)
    change = own - base
    for tensors, expected in (
        ([base, own, own, own], own),
        ([base] * 3, base),
        ([base, base + change, base - change], base),
        ([base, base, own], base),
    ):
        assert torch.equal(merged("model_stock", tensors, {"filter_wise": filter_wise}), expected)


def test_tiny_changes_keep_their_angle():
    base = torch.zeros(8, 8)
    a, b = (1e-6 * t for t in family((8, 8), 2)[1:])
    large = merged("model_stock", [base, a * 1e6, b * 1e6])
    torch.testing.assert_close(merged("model_stock", [base, a, b]) * 1e6, large)
