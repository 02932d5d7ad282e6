from __future__ import annotations

import pytest
import torch

from nbmerge.engine.planning.planner import plan
from tests.methods.apply import DTYPES, SHAPES, merged, ulps, wide
from tests.methods.apply import family as relatives


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("position", [0.0, 0.4, 1.0])
@pytest.mark.rest_is_slow(keep=19)
def test_formula(shape, dtype, position):
    tensors, weights = relatives(shape, 3, dtype), [1.0, 0.5, -0.2]
    base, deltas = wide(tensors)
    exact = base + (0.3 + 0.6 * position) * sum(w * d for w, d in zip(weights, deltas, strict=True))
    result = merged("lines", tensors, {"weight": weights, "alpha": 0.3, "beta": 0.6}, position=position)
    assert ulps(result, exact, tensors) <= 2


def test_strength_grows_over_the_layers(family):
    made = plan({"merge_method": "lines", "base_model": str(family.base), "models": [str(family.ft1), str(family.ft2)]})
    positions = [made[f"model.layers.{i}.mlp.up_proj.weight"].values.position for i in range(made.depth)]
    assert positions == [0.0, 0.5, 1.0]
    assert made["model.embed_tokens.weight"].values.position == 0.0
    assert made["lm_head.weight"].values.position == 1.0
    first = made["model.layers.0.mlp.up_proj.weight"]
    assert first.how.coefficients(first.values, None) == pytest.approx([0.6, 0.2, 0.2])
    torch.testing.assert_close(torch.tensor(first.how.coefficients(first.values, None)).sum(), torch.tensor(1.0))
