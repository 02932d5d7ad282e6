from __future__ import annotations

import pytest
import torch

from tests.methods.apply import DTYPES, SHAPES, family, merged, ulps


def formula(vectors: list[torch.Tensor], steps: int = 200) -> torch.Tensor:
    norms = [v.norm() for v in vectors]
    units = [v / n for v, n in zip(vectors, norms, strict=True)]
    u = sum(units) / sum(units).norm()
    for _ in range(steps):
        tangent = torch.zeros_like(u)
        for unit in units:
            cosine = (u * unit).sum().clamp(-1, 1)
            angle = cosine.arccos()
            if angle > 1e-9:
                tangent += angle / angle.sin() * (unit - cosine * u) / len(units)
        size = tangent.norm()
        if size < 1e-14:
            break
        u = size.cos() * u + size.sin() * tangent / size
    return u * sum(norms) / len(norms)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [s for s in SHAPES if s != (1,)])
@pytest.mark.parametrize("count", [2, 3, 5])
@pytest.mark.rest_is_slow(keep=17)
def test_formula(shape, dtype, count):
    tensors = family(shape, count, dtype, scale=0.5, seed=3)[1:]
    exact = formula([t.double() for t in tensors])
    assert ulps(merged("karcher", tensors, {"max_iter": 50, "tol": 1e-9}), exact, tensors) <= 2


def test_equal_models_are_that_model():
    own = torch.randn(7, 5)
    for count in (1, 2, 3, 4):
        assert torch.equal(merged("karcher", [own] * count), own)


def test_opposite_and_zero_models_are_numbers():
    a, zero = torch.randn(5, 4), torch.zeros(5, 4)
    assert not merged("karcher", [a, -a]).any()
    assert not merged("karcher", [zero, zero]).any()
    torch.testing.assert_close(merged("karcher", [a, zero]), a / 2)


def test_two_models_meet_in_the_middle():
    a, b = torch.randn(64), torch.randn(64)
    b = b * a.norm() / b.norm()
    torch.testing.assert_close(merged("karcher", [a, b]), merged("slerp", [a, b], {"t": 0.5}))
