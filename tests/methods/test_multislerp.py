from __future__ import annotations

import pytest
import torch

from tests.methods.apply import DTYPES, SHAPES, family, merged, ulps


def formula(vectors: list[torch.Tensor], weights: list[float], normalize: bool) -> torch.Tensor:
    """As it is usually written, tangents and all, in float64."""
    if normalize:
        weights = [w / sum(weights) for w in weights]
    norms = [v.norm() for v in vectors]
    units = [v / n for v, n in zip(vectors, norms, strict=True)]
    mean = sum(w * u for w, u in zip(weights, units, strict=True))
    mean = mean / mean.norm()
    tangent = sum(w * (u - (u * mean).sum() * mean) for w, u in zip(weights, units, strict=True))
    length = tangent.norm()
    direction = mean * length.cos() + (tangent / length * length.sin() if length > 1e-12 else 0)
    return direction * sum(w * n for w, n in zip(weights, norms, strict=True))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("based", [True, False])
@pytest.mark.parametrize("normalize", [True, False])
@pytest.mark.rest_is_slow(keep=25)
def test_formula(shape, dtype, based, normalize):
    tensors = family(shape, 3, dtype, seed=2)[0 if based else 1 :]
    weights = [0.5, 0.3, 0.4]
    start = tensors[0].double() if based else torch.zeros(shape, dtype=torch.float64)
    exact = start + formula([t.double() - start for t in tensors[-3:]], weights, normalize)
    result = merged("multislerp", tensors, {"weight": weights, "normalize_weights": normalize}, based=based)
    assert ulps(result, exact, tensors) <= 2


@pytest.mark.parametrize("based", [True, False])
def test_any_number_of_equal_or_untouched_models(based):
    base, own = family((5, 6), 1)
    start = [base] if based else []
    for count in (1, 2, 3, 5):
        assert torch.equal(merged("multislerp", [*start, *[own] * count], {"weight": 0.7}, based=based), own)
        assert torch.equal(merged("multislerp", [*start, *[base] * count], {"weight": 0.7}, based=based), base)


def test_one_models_weight_alone_gives_its_bytes():
    tensors = family((5, 6), 3)
    assert torch.equal(merged("multislerp", tensors, {"weight": [0.0, 1.0, 0.0]}), tensors[2])


def test_directions_that_cancel_fall_back_to_the_weighted_sum():
    base, change = torch.randn(4, 5), torch.randn(4, 5)
    tensors = [base, base + change, base - change]
    result = merged("multislerp", tensors, {"weight": 1.0})
    torch.testing.assert_close(result, base)


def test_zero_tensors_take_no_part_in_the_direction():
    zero, a = torch.zeros(4, 5), torch.randn(4, 5)
    result = merged("multislerp", [zero, a, zero], {"weight": 1.0}, based=False)
    torch.testing.assert_close(result, a / 3)
    assert not merged("multislerp", [zero, zero, zero], {"weight": 1.0}, based=False).any()


def test_weights_that_cancel_are_refused():
    with pytest.raises(ValueError, match="sum to 0"):
        merged("multislerp", family((3,), 2), {"weight": [1.0, -1.0]})
