"""What rounding undoes, compared with rounding itself."""

import numpy as np
import pytest
import torch

from nbmerge.statistics.rounding import expect_unchanged, rounding_energy, spacings
from nbmerge.statistics.tally import EXPONENTS, Tally


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float32"])
def test_spacings_are_those_of_the_dtype(dtype):
    kind = getattr(torch, dtype)
    for exponent in (-20, -14, -3, 0, 5):
        value = torch.tensor(2.0**exponent, dtype=kind)
        above = torch.nextafter(value, torch.tensor(torch.inf, dtype=kind))
        assert spacings(dtype)[exponent + 127] == float(above) - float(value)
    assert not spacings("float8_e4m3fn").any()


@pytest.mark.parametrize("deviation", [1e-4, 1e-3, 1e-2])
def test_what_stays_unchanged_is_what_rounding_undoes(deviation):
    generator = torch.Generator().manual_seed(0)
    base = torch.randn(200_000, generator=generator).bfloat16()
    changed = (base.double() + deviation * torch.randn(200_000, generator=generator, dtype=torch.float64)).bfloat16()
    tally = Tally(1, 1)
    tally.add(0, torch.stack([base, changed]).float())
    tally.gram[0, 1, 1] = len(base) * deviation**2  # of the changes before they were rounded
    expected = expect_unchanged(tally, [("bfloat16", "bfloat16")])[0, 0] / len(base)
    assert expected == pytest.approx(float((base == changed).double().mean()), rel=0.04)


def test_energy_is_that_of_rounding_errors():
    exact = torch.randn(200_000, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    tally = Tally(1, 1)
    tally.add(0, torch.stack([exact, exact]))
    error = float((exact.bfloat16().double() - exact).square().sum())
    assert rounding_energy(tally, [("float64", "bfloat16")])[0, 0] == pytest.approx(error, rel=0.03)


def test_exponents_add_up_to_the_number_of_elements():
    tally = Tally(2, 0)
    tally.add(0, torch.randn(1, 10_007))
    tally.add(1, torch.tensor([[0.5, 1.0, -1.5, 0.0]]))
    assert tally.exponents.sum(1).tolist() == [10_007, 4]
    assert np.flatnonzero(tally.exponents[1]).tolist() == [0, 126, 127]
    assert tally.exponents.shape == (2, EXPONENTS)
