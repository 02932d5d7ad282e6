from __future__ import annotations

import numpy as np
import pytest
import torch

from nbmerge.methods.numerics.quantiles import quantiles
from tests.methods.apply import DTYPES, SHAPES, family, merged


def formula(base: torch.Tensor, own: torch.Tensor) -> torch.Tensor:
    p, q = own.softmax(-1), base.softmax(-1)
    divergence = (p * (p / q).log()).sum(-1, keepdim=True)
    importance = (own - base).abs() * divergence
    low, middle, high = np.quantile(importance.numpy(), [0.25, 0.5, 0.75], method="lower")
    return torch.where(importance >= middle + 1.5 * (high - low), own, base)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [s for s in SHAPES if s[-1] > 1])
def test_formula(shape, dtype):
    base, own = family(shape, 1, dtype, scale=0.5)
    result = merged("arcee_fusion", [base, own])
    assert result.dtype == dtype
    assert torch.equal(result.double(), formula(base.double(), own.double()))


def test_a_row_of_one_has_no_divergence_and_every_change_is_taken():
    base, own = family((9, 1), 1)
    assert torch.equal(merged("arcee_fusion", [base, own]), own)


@pytest.mark.parametrize("kind", ["normal", "mostly zero", "few values", "constant"])
@pytest.mark.parametrize("count", [1, 2, 5, 1000, 300_001])
def test_quantiles_are_values_of_the_tensor(kind, count):
    rng = np.random.default_rng(0)
    values = {
        "normal": np.abs(rng.standard_normal(count)),
        "mostly zero": np.abs(rng.standard_normal(count)) * (rng.random(count) < 0.1),
        "few values": rng.integers(0, 3, count).astype(float),
        "constant": np.full(count, 0.7),
    }[kind].astype(np.float32)

    def blocks():
        for start in range(0, count, 4096):
            yield start, values[start : start + 4096]

    shares = (0.0, 0.25, 0.5, 0.75, 1.0)
    assert quantiles(blocks, count, shares) == list(np.quantile(values, shares, method="lower"))
