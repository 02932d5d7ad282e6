import threading

import numpy as np
import pandas as pd
import pytest
import torch

from nbmerge.engine.merge import merge
from nbmerge.errors import MergeStopped
from nbmerge.statistics import measure_merge
from nbmerge.statistics.distances import SUMS
from tests.models import make_family, make_model, read_tensors
from tests.statistics.formulas import elementwise, recipes, sums

NAMES = ("linear", "slerp", "task arithmetic", "half", "donors", "stack", "ties", "dare_linear", "dare_ties")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.rest_is_slow(keep=3)
def test_sums_are_those_of_the_written_model(family, tmp_path, name):
    recipe = (recipes(family) | elementwise(family))[name]
    result = merge(recipe, tmp_path / "out")
    merged = read_tensors(result.path)
    parents = {p.name: read_tensors(p) for p in (family.base, family.ft1, family.ft2)}
    found = measure_merge(recipe).frame
    expected = [
        (t.name, label, *sums(merged[t.name], parents[label][stored.name]))
        for t in result.plan.tensors
        for label, stored in zip(t.models, t.inputs, strict=True)
    ]
    assert [tuple(r) for r in found[["tensor", "parent"]].to_numpy()] == [row[:2] for row in expected]
    np.testing.assert_allclose(found[SUMS].to_numpy(), [row[2:] for row in expected], rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("method", ["task arithmetic", "dare_ties"])
def test_tensors_of_several_blocks(tmp_path, method):
    family = make_family(tmp_path, layers=1, hidden=64, vocab=5000)
    recipe = (recipes(family) | elementwise(family))[method]
    merged = read_tensors(merge(recipe, tmp_path / "out").path)["lm_head.weight"]
    found = measure_merge(recipe).frame.query("tensor == 'lm_head.weight' and parent == 'ft1'")[SUMS].to_numpy()[0]
    assert found == pytest.approx(sums(merged, read_tensors(family.ft1)["lm_head.weight"]), rel=1e-12)


def test_threads_change_nothing(family):
    recipe = elementwise(family)["ties"]
    pd.testing.assert_frame_equal(
        measure_merge(recipe, threads=1).frame, measure_merge(recipe, threads=2).frame, check_exact=True
    )


def test_where_a_parent_has_no_part_it_is_blank(family):
    found = measure_merge(recipes(family)["stack"])
    assert found.parents == ("ft1", "ft2")
    assert found.depth == 4
    grid = found.grid("ft1")
    assert grid.iloc[:2].eq(0).all(axis=None)
    assert grid.iloc[2:].isna().all(axis=None)
    outside = {"embedding": 0.0, "final norm": float("nan"), "head": float("nan")}
    assert found.outside("ft1").to_dict() == pytest.approx(outside, nan_ok=True)
    assert found.grid("ft2").iloc[2].tolist() == pytest.approx([0.5, 0.5, 0.5])


def test_buffers_and_whole_numbers_are_left_out(tmp_path):
    extra = {
        "model.layers.0.self_attn.rotary_emb.inv_freq": torch.rand(4),
        "model.position_ids": torch.arange(8),
    }
    model = make_model(tmp_path / "a", layers=1, replace=extra)
    recipe = {"merge_method": "linear", "models": [str(model)], "parameters": {"weight": 1}}
    found = measure_merge(recipe)
    assert not set(found.frame["tensor"]) & set(extra)
    assert found.total("a") == 0.0


def test_progress_and_stop(family):
    events = []
    measure_merge(recipes(family)["linear"], progress=events.append)
    assert (events[0].kind, events[-1].kind) == ("planned", "finished")
    stop = threading.Event()
    stop.set()
    with pytest.raises(MergeStopped):
        measure_merge(recipes(family)["linear"], cancel=stop)
