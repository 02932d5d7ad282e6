from __future__ import annotations

import pytest
import torch

from tests.methods.apply import DTYPES, SHAPES, family, merged, ulps, wide


def formula(tensors, share: float) -> torch.Tensor:
    base, deltas = wide(tensors)
    stack = torch.stack(deltas)
    if share < 1:
        variance = stack.var(0, unbiased=False).flatten()
        keep = int(share * int((variance > 1e-30).sum()))
        chosen = torch.zeros_like(variance)
        chosen[variance.argsort(descending=True, stable=True)[:keep]] = 1
        stack = stack * chosen.view(base.shape)
    sign = torch.where(stack.sum(0) >= 0, 1.0, -1.0)
    energy = stack.square().flatten(1).sum(1)
    weights = energy / energy.sum() if energy.sum() > 0 else torch.full_like(energy, 1 / len(energy))
    weights = weights.view(-1, *[1] * base.dim())
    mask = torch.sign(stack) == sign
    total = (weights * mask).sum(0)
    return base + torch.where(total > 0, (weights * mask * stack).sum(0) / total, 0)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("count", [2, 3])
@pytest.mark.rest_is_slow(keep=16)
def test_formula_without_selection(shape, dtype, count):
    tensors = family(shape, count, dtype)
    assert ulps(merged("sce", tensors), formula(tensors, 1.0), tensors) <= 2


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("share", [0.5, 0.1])
def test_formula_with_selection(shape, share):
    tensors = family(shape, 3)  # float32, where no two variances are equal
    assert ulps(merged("sce", tensors, {"select_topk": share}), formula(tensors, share), tensors) <= 2


def test_weights_do_not_depend_on_the_size_of_the_changes():
    base, a, b = family((16, 16), 2)
    base, a, b = torch.zeros_like(base), a - base, 3 * (b - base)
    large = merged("sce", [base, a, b])
    torch.testing.assert_close(merged("sce", [base, a * 1e-6, b * 1e-6]) * 1e6, large)
    assert not torch.allclose(large, (a + b) / 2)


def test_equal_models_do_not_differ_anywhere_and_nothing_is_selected():
    base, own = family((5, 7), 1)
    assert torch.equal(merged("sce", [base, own, own, own], {"select_topk": 0.9}), base)


def test_a_tensor_without_elements():
    tensors = [torch.empty(0, 4) for _ in range(3)]
    assert merged("sce", tensors, {"select_topk": 0.5}).shape == (0, 4)
