"""Mass kept at a density: bounds that always hold, and meet where the cut falls between bins."""

import numpy as np
import pytest

from nbmerge.methods.ties import kept
from nbmerge.statistics import measure_models
from tests.models import make_family, read_tensors


@pytest.mark.parametrize("density", [0.0, 0.01, 0.1, 0.5, 0.9, 1.0])
@pytest.mark.rest_is_slow(keep=3)
def test_the_real_share_lies_within_the_bounds(family, density):
    table = measure_models(family.base, family.ft1).kept_mass("ft1", density).set_index("tensor")
    base, tuned = read_tensors(family.base), read_tensors(family.ft1)
    sums = np.zeros(2)
    for name in base:
        sizes = (tuned[name].double() - base[name].double()).abs().flatten().sort(descending=True).values
        part, whole = float(sizes[: kept(density, len(sizes))].sum()), float(sizes.sum())
        sums += part, whole
        low, high = table.loc[name, ["low", "high"]]
        assert low - 1e-6 <= part / whole <= high + 1e-6
        assert high - low < 0.2
    low, high = table.attrs["total"]
    assert low - 1e-6 <= sums[0] / sums[1] <= high + 1e-6
    assert high - low < 0.04
    if density in (0.0, 1.0):
        assert high == pytest.approx(low, abs=1e-6)


def test_nothing_changed_has_no_share(tmp_path):
    family = make_family(tmp_path, layers=1)
    statistics = measure_models(family.base, family.base, family.ft1)
    assert statistics.models[1:] == ("ft1",)
    with pytest.raises(ValueError, match="was not measured"):
        statistics.kept_mass("base", 0.5)
    with pytest.raises(ValueError, match="density must be"):
        statistics.kept_mass("ft1", 1.5)
