"""Shares of experts by layer."""

import numpy as np
import pytest

from nbmerge.plots import routing_bars


@pytest.mark.parametrize(("layers", "shapes"), [(4, 32), (80, 8)])
def test_every_expert_has_a_look_of_its_own_and_its_share(layers, shapes):
    values = np.random.default_rng(0).dirichlet(np.ones(8), layers)
    axes = routing_bars(values, experts=[f"e{i}" for i in range(8)])
    assert len(axes.patches) == shapes  # a bar for each layer, or one shape
    looks = {(tuple(patch.get_facecolor()), patch.get_hatch()) for patch in axes.patches}
    assert len(looks) == len(axes.get_legend().get_patches()) == 8
    if layers == 80:
        tops = axes.patches[2].get_data().values
        np.testing.assert_allclose(tops, 100 * values[:, :3].sum(1))
