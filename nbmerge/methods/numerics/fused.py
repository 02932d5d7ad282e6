"""x + c·y with one rounding, on every processor.

Processors with a fused multiply-add (x86 since 2013, all 64-bit ARM) round such a sum once, and torch uses it there in `add_`
with a factor and in `lerp`. On others torch rounds the product first, which changes the last digit of some sums. The
fused sum is the definition here. Where torch does not compute it, float64 does: the product of two float32
numbers is exact in it, and their sum is rounded to odd (Boldo and Melquiond 2008, Emulation of FMA and correctly rounded
sums, https://doi.org/10.1109/TC.2007.70819), so that rounding it again gives what rounding once does.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

SPLITTER = 2.0**27 + 1.0
"""Splits a float64 into two halves whose products are exact (Veltkamp)."""


def add_scaled_(total: torch.Tensor, values: torch.Tensor, scale: float) -> torch.Tensor:
    """Add scale·values to total, with one rounding.

    Parameters
    ----------
    total, values : Tensor of float32 or float64
        Of the same shape and dtype; `total` is overwritten. Accelerators round in their own way.
    scale : float
        Rounded to the dtype first.
    """
    if scale == 1 or total.device.type != "cpu" or torch_fuses():
        return total.add_(values, alpha=scale)
    return total.copy_(_fused(values, total.new_tensor(scale), total))


def interpolate(
    first: torch.Tensor, second: torch.Tensor, weight: float, out: torch.Tensor | None = None
) -> torch.Tensor:
    """Interpolate as a + w(b − a), from the nearer end, with one rounding of the difference and one of the sum.

    Parameters
    ----------
    first, second : Tensor of float
        a and b. Shorter floats than float32 are interpolated in float32 and rounded at the end.
    weight : float
        w.
    out : Tensor, optional
        Memory for the result.
    """
    import torch

    if first.device.type != "cpu" or torch_fuses():
        return torch.lerp(first, second, weight, out=out)
    working = torch.promote_types(first.dtype, torch.float32)
    a, b, w = first.to(working), second.to(working), torch.tensor(weight, dtype=working)
    near, factor = (a, w) if abs(w) < 0.5 else (b, w - 1)
    result = _fused(b - a, factor, near).to(first.dtype)
    return result if out is None else out.copy_(result)


@cache
def torch_fuses() -> bool:
    """Whether torch adds a multiple with one rounding here, in whole vectors and in what is left of them."""
    import torch

    for dtype, bit in ((torch.float32, 2.0**-12), (torch.float64, 2.0**-27)):
        ones = torch.full((67,), 1 + bit, dtype=dtype)
        square = torch.full_like(ones, -1 - 2 * bit)  # all of (1 + bit)² but its last digit
        if not (square.add_(ones, alpha=1 + bit) == bit * bit).all():
            return False
    return True


def _fused(x: torch.Tensor, y: torch.Tensor, z: torch.Tensor) -> torch.Tensor:
    """x·y + z, rounded once."""
    import torch

    if z.dtype == torch.float32:
        return _to_odd(*_two_sum(x.double() * y.double(), z.double())).float()
    high, low = _two_product(x, y)
    rest, error = _two_sum(z, low)
    total, lost = _two_sum(high, rest)
    return total + _to_odd(*_two_sum(error, lost))


def _two_sum(a: torch.Tensor, b: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The rounded sum, and what rounding took away from it (Knuth)."""
    total = a + b
    back = total - a
    return total, (a - (total - back)) + (b - back)


def _two_product(a: torch.Tensor, b: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The rounded product of float64 numbers, and what rounding took away from it (Dekker)."""
    product = a * b
    (a_high, a_low), (b_high, b_low) = _split(a), _split(b)
    return product, a_low * b_low - (((product - a_high * b_high) - a_low * b_high) - a_high * b_low)


def _split(a: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    scaled = a * SPLITTER
    high = scaled - (scaled - a)
    return high, a - high


def _to_odd(total: torch.Tensor, error: torch.Tensor) -> torch.Tensor:
    """The neighbour of an inexact sum whose last bit is 1; `total` is exact where `error` is 0."""
    import torch

    bits = total.view(torch.int64)
    inexact = ((error > 0) | (error < 0)) & (bits & 1 == 0)  # not where it is NaN
    outwards = (error > 0) == (total > 0)
    return (bits + inexact * (2 * outwards.long() - 1)).view(torch.float64)
