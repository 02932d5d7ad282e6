from __future__ import annotations

import pytest
import torch

from tests.methods.apply import DTYPES, SHAPES, family, merged, ulps, wide


def formula(tensors, epsilon: float, r: float = 0.0, alpha: float = 0.0) -> torch.Tensor:
    base, deltas = wide(tensors)
    active = torch.stack([d.abs() > epsilon for d in deltas])
    count = active.sum(0)
    result = torch.zeros_like(base)
    for delta, on in zip(deltas, active, strict=True):
        own, shared = int((on & (count == 1)).sum()), int((on & (count > 1)).sum())
        factor = 1 + r * min(shared / own, alpha) if own else 1.0
        result += torch.where(on & (count == 1), factor * delta, 0) + torch.where(
            on & (count > 1), delta / count.clamp(min=1), 0
        )
    return base + result


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("epsilon", [1e-5, 0.1])
@pytest.mark.rest_is_slow(keep=16)
def test_ram_and_ramplus_follow_their_formulas(shape, dtype, epsilon):
    tensors = family(shape, 3, dtype)
    terms = [*tensors, sum(d.abs() for d in wide(tensors)[1])]
    assert ulps(merged("ram", tensors, {"epsilon": epsilon}), formula(tensors, epsilon), terms) <= 2
    more = {"epsilon": epsilon, "r": 0.5, "alpha": 2.0}
    assert ulps(merged("ramplus_tl", tensors, more), formula(tensors, **more), terms) <= 2


def test_what_one_model_alone_changed_is_kept_whole():
    base = torch.zeros(4)
    a, b = torch.tensor([1.0, 0, 2, 0]), torch.tensor([0, 3.0, 4, 0])
    assert torch.equal(merged("ram", [base, a, b]), torch.tensor([1.0, 3, 3, 0]))
    grown = merged("ramplus_tl", [base, a, b], {"r": 0.5, "alpha": 9.0})
    assert torch.equal(grown, torch.tensor([1.5, 4.5, 3, 0]))
