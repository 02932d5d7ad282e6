"""Sums in an order of their own: right, and the same for any arrangement of the numbers in memory."""

import numpy as np
import pytest
import torch

from nbmerge.methods.numerics import halve, inner_products
from nbmerge.methods.numerics.sums import LANES, absolute, squares


@pytest.mark.parametrize("count", [0, 1, 2, 3, 5, 8, 1000, 4096])
def test_halves(count):
    terms = torch.arange(2.0 * count).view(2, count)
    assert torch.equal(halve(terms.clone()), terms.sum(-1))
    padded = torch.cat((terms, torch.zeros(2, 77)), 1)
    assert torch.equal(halve(padded), halve(terms))


def test_the_order_of_halves():
    a, b, c, d, e = (torch.tensor(x) for x in (1.0, 2.0**-24, 2.0**-24, -1.0, 3 * 2.0**-24))
    assert halve(torch.stack((a, b, c, d, e))).item() == (((a + e) + c) + (b + d)).item()


@pytest.mark.parametrize("size", [0, 3, LANES, LANES + 5, 3 * LANES + 17])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_inner_products(size, dtype):
    rows = torch.randn(3, size, generator=torch.Generator().manual_seed(1), dtype=dtype)
    found = inner_products(rows).numpy()
    exact = rows.double().numpy() @ rows.double().numpy().T
    np.testing.assert_allclose(found, exact, rtol=0, atol=(1e-6 if dtype == torch.float32 else 1e-15) * (size + 1))
    assert (found == found.T).all()
    both = inner_products(torch.stack((rows, 2 * rows)))
    assert torch.equal(both[0], torch.from_numpy(found))
    assert torch.equal(both[1], 4 * both[0])


def test_lanes_are_added_in_the_order_of_their_elements():
    rows = torch.zeros(1, 3 * LANES)
    rows[0, [5, 5 + LANES, 5 + 2 * LANES]] = torch.tensor([1.0, 2.0**-12, 2.0**-12])
    assert inner_products(rows).item() == 1.0  # 1 + 2⁻²⁴ is 1 in float32, twice
    rows[0, [5, 5 + LANES, 5 + 2 * LANES]] = torch.tensor([2.0**-12, 2.0**-12, 1.0])
    assert inner_products(rows).item() == 1.0 + 2.0**-23


def test_sums_of_sizes():
    values = torch.tensor([[3.0, -4.0], [0.5, -0.0]], dtype=torch.float64)
    assert (absolute(values), squares(values)) == (7.5, 25.25)
    assert values[0, 1] == -4.0
