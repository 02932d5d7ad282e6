from __future__ import annotations

import math

import pytest
import torch

from nbmerge.methods.numerics.random_streams import uniform
from tests.methods.apply import SHAPES, family, merged, ulps, wide


def drawn(delta: torch.Tensor, density: float, epsilon: float, key: str, rescale: bool) -> torch.Tensor:
    """Row by row: rank, probability, draw."""
    rows = delta.reshape(-1, delta.shape[-1])
    numbers = torch.from_numpy(uniform(key, 0, delta.numel())).view(rows.shape).double()
    result = torch.zeros_like(rows)
    for i, row in enumerate(rows):
        order = row.abs().argsort(stable=True)
        for rank, j in enumerate(order):
            n = len(row)
            p = density if n == 1 else density - epsilon + 2 * epsilon * rank / (n - 1)
            p = float(torch.tensor(min(1.0, max(0.0, p)), dtype=torch.float32))
            if numbers[i, j] < p:
                result[i, j] = row[j] / p if rescale else row[j]
    return result.view(delta.shape)


def formula(tensors, weights, density, epsilon, rescale, votes: bool) -> tuple[torch.Tensor, list[torch.Tensor]]:
    """The result, and the rescaled changes that it sums up, whose size rounding errors have."""
    base, deltas = wide(tensors)
    keys = [f"0/{i}/tensor" for i in range(len(tensors) - 1)]
    parts = [w * drawn(d, density, epsilon, k, rescale) for w, d, k in zip(weights, deltas, keys, strict=True)]
    if not votes:
        return base + sum(parts), parts
    sign = torch.where(sum(parts) >= 0, 1.0, -1.0)
    agrees = [torch.sign(p) == sign for p in parts]
    share = sum(w * a for w, a in zip(weights, agrees, strict=True))
    total = sum(torch.where(a, p, 0) for a, p in zip(agrees, parts, strict=True))
    return base + total / torch.where(share.abs() < 1e-8, 1.0, share), parts


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(
    ("density", "epsilon"), [(0.5, 0.15), (0.9, 0.15), (0.1, 0.3), (0.5, 0.5), (0.5, 1.0), (0.4, 0.0)]
)
@pytest.mark.parametrize("rescale", [True, False])
@pytest.mark.rest_is_slow(keep=17)
@pytest.mark.rest_is_slow(keep=7)
def test_formula(shape, density, epsilon, rescale):
    tensors, weights = family(shape, 2), [1.0, 0.5]
    given = {"weight": weights, "density": density, "epsilon": epsilon, "rescale": rescale}
    for name, votes in (("della", True), ("della_linear", False)):
        exact, parts = formula(tensors, weights, density, epsilon, rescale, votes)
        assert ulps(merged(name, tensors, given), exact, [*tensors, sum(p.abs() for p in parts)]) <= 2


@pytest.mark.parametrize("name", ["della", "della_linear"])
@pytest.mark.parametrize("density", [0.0, 1.0])
def test_the_ends_of_density_are_the_models(name, density):
    base, own = (t.bfloat16() for t in family((8, 9), 1))
    result = merged(name, [base, own], {"weight": 1.0, "density": density})
    assert torch.equal(result, own if density else base)


def test_large_changes_are_kept_more_often():
    own = torch.arange(1, 401.0).repeat(500, 1)
    kept = (
        merged("della_linear", [torch.zeros_like(own), own], {"weight": 1.0, "density": 0.5, "epsilon": 0.4})
        .ne(0)
        .double()
    )
    rates = kept.mean(0)
    expected = torch.linspace(0.1, 0.9, 400, dtype=torch.float64)
    spread = (expected * (1 - expected) / 500).sqrt()
    assert ((rates - expected).abs() < 5 * spread).all()
    total = float(kept.mean())
    assert abs(total - 0.5) < 5 * math.sqrt(0.25 / own.numel())


@pytest.mark.slow
def test_l1_gives_the_sum_of_magnitudes_back():
    base, own = family((64, 50), 1)
    result = merged("della_linear", [base, own], {"weight": 1.0, "density": 0.3, "rescale": "l1"})
    torch.testing.assert_close((result - base).abs().sum(), (own - base).abs().sum(), rtol=1e-5, atol=0)


def test_draws_do_not_depend_on_where_blocks_end(monkeypatch):
    tensors = family((50, 33), 2)
    whole = merged("della", tensors, {"weight": 0.5, "density": 0.4})
    monkeypatch.setattr("nbmerge.engine.compute.blocks.BLOCK", 99)
    assert torch.equal(merged("della", tensors, {"weight": 0.5, "density": 0.4}), whole)
