"""x + c·y is rounded once, whatever the processor has."""

from fractions import Fraction

import pytest
import torch

from nbmerge.methods.numerics import add_scaled_, fused, interpolate


def numbers(dtype: torch.dtype, count: int = 4099) -> tuple[torch.Tensor, torch.Tensor]:
    """Sums that cancel, sums that do not, and all exponents that weights have."""
    g = torch.Generator().manual_seed(7)
    x = torch.randn(count, generator=g, dtype=torch.float64) * 2.0 ** torch.randint(-30, 8, (count,), generator=g)
    y = torch.where(torch.arange(count) % 3 == 0, -x / 0.3, torch.randn(count, generator=g, dtype=torch.float64))
    return x.to(dtype), y.to(dtype)


@pytest.fixture(params=["torch", "float64"])
def either(request, monkeypatch) -> str:
    """On this processor, and as on one that does not fuse."""
    if request.param == "float64":
        monkeypatch.setattr(fused, "torch_fuses", lambda: False)
    elif not fused.torch_fuses():
        pytest.skip("torch does not fuse on this processor")
    return request.param


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_multiple_is_added_as_if_exactly(dtype, either):
    x, y = numbers(dtype, 301)
    c = Fraction(torch.tensor(0.3, dtype=dtype).item())
    exact = [Fraction(a) + c * Fraction(b) for a, b in zip(x.tolist(), y.tolist(), strict=True)]
    found = add_scaled_(x.clone(), y, 0.3)
    below, above = (torch.nextafter(found, torch.full_like(found, end)).tolist() for end in (-torch.inf, torch.inf))
    for real, low, mid, high in zip(exact, below, found.tolist(), above, strict=True):
        assert abs(real - Fraction(mid)) <= min(abs(real - Fraction(low)), abs(real - Fraction(high)))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("weight", [0.3, 0.5, 0.7, -1.5])
def test_emulation_and_torch_agree_bit_for_bit(dtype, weight, monkeypatch):
    if not fused.torch_fuses():
        pytest.skip("torch does not fuse on this processor")
    x, y = numbers(dtype)
    mixed, added = interpolate(x, y, weight), add_scaled_(x.to(torch.float32, copy=True), y.float(), weight)
    monkeypatch.setattr(fused, "torch_fuses", lambda: False)
    assert torch.equal(interpolate(x, y, weight), mixed)
    assert torch.equal(add_scaled_(x.to(torch.float32, copy=True), y.float(), weight), added)
    out = torch.empty_like(x)
    assert interpolate(x, y, weight, out=out) is out
    assert torch.equal(out, mixed)


def test_special_values(either):
    inf, nan, tiny = float("inf"), float("nan"), 2.0**-149
    x = torch.tensor([inf, -inf, 1.0, nan, 0.0, -0.0, tiny, 3e38, -tiny] * 9)
    y = torch.tensor([1.0, inf, -inf, 1.0, 0.0, -0.0, tiny, 3e38, tiny] * 9)
    found = add_scaled_(x, y, 0.5)
    wanted = torch.tensor([inf, nan, -inf, nan, 0.0, -0.0, 2 * tiny, inf, -0.0] * 9)
    assert torch.equal(found.isnan(), wanted.isnan())
    assert torch.equal(found.nan_to_num(7.0), wanted.nan_to_num(7.0))
    assert torch.equal(found[wanted == 0].signbit(), wanted[wanted == 0].signbit())
