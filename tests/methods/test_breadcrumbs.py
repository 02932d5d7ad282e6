from __future__ import annotations

import pytest
import torch

from tests.methods.apply import SHAPES, family, merged, ulps, wide


def thinned(delta: torch.Tensor, density: float, gamma: float) -> torch.Tensor:
    """What is left, by sorting: outliers first, then as many as the density asks for."""
    flat = delta.flatten()
    keep = min(len(flat), max(1, int(density * len(flat)))) if density > 0 else 0
    top = min(int(gamma * len(flat)), len(flat) - keep)
    order = flat.abs().argsort(descending=True, stable=True)
    result = torch.zeros_like(flat)
    result[order[top : top + keep]] = flat[order[top : top + keep]]
    return result.view(delta.shape)


def formula(tensors, weights, density, gamma, votes: bool) -> torch.Tensor:
    base, deltas = wide(tensors)
    parts = [w * thinned(d, density, gamma) for w, d in zip(weights, deltas, strict=True)]
    if not votes:
        return base + sum(parts)
    sign = torch.where(sum(parts) >= 0, 1.0, -1.0)
    return base + sum(torch.where(torch.sign(p) == sign, p, 0) for p in parts)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(
    ("density", "gamma"), [(0.5, 0.01), (0.3, 0.1), (0.9, 0.3), (1.0, 0.2), (0.0, 0.1), (1e-6, 0.5)]
)
@pytest.mark.parametrize("name", ["breadcrumbs", "breadcrumbs_ties"])
@pytest.mark.rest_is_slow(keep=26)
def test_formula(name, shape, density, gamma):
    tensors, weights = family(shape, 3), [1.0, 0.5, -0.3]
    exact = formula(tensors, weights, density, gamma, name.endswith("ties"))
    assert ulps(merged(name, tensors, {"weight": weights, "density": density, "gamma": gamma}), exact, tensors) <= 2


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_short_floats_keep_exactly_as_many(dtype):
    """Equal magnitudes abound here; the lower index wins, so the count is exact."""
    base = torch.zeros(61, 67, dtype=dtype)
    own = torch.randn(61, 67).to(dtype)
    result = merged("breadcrumbs", [base, own], {"weight": 1.0, "density": 0.37, "gamma": 0.05})
    assert int(result.ne(0).sum()) == int(0.37 * 61 * 67)
    kept = result[result != 0].abs()
    assert int((own.abs() > kept.max()).sum()) <= int(0.05 * 61 * 67)


def test_small_tensors_lose_no_outlier_and_keep_their_changes():
    base, own = torch.zeros(57), torch.randn(57)
    result = merged("breadcrumbs", [base, own], {"weight": 1.0, "density": 0.9, "gamma": 0.01})
    assert int(result.ne(0).sum()) == 51
    assert result.abs().max() == own.abs().max()
