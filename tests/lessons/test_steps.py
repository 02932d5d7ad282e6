"""The steps of a method: the last is the merge, and each leaves what the method's definition says."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import nbmerge as nbm
from nbmerge.errors import ArgumentError
from nbmerge.lessons.steps import ELECTING, FIRST_STEPS, trace_method

BASE = torch.randn(200, generator=torch.Generator().manual_seed(0))
MODELS = [BASE + torch.randn(200, generator=torch.Generator().manual_seed(i)) for i in (1, 2, 3)]
GIVEN = {"weight": [1.0, 0.5, -0.3], "density": 0.4}


@pytest.mark.parametrize("method", [*FIRST_STEPS, "task_arithmetic", "sce"])
def test_the_last_step_is_the_merge(method):
    given = {k: v for k, v in GIVEN.items() if nbm.methods.methods()[method].parameter(k)}
    steps = trace_method(method, BASE, MODELS, given, seed=3)
    merged = nbm.merge_tensors(method, MODELS, base=BASE, parameters=given, seed=3)
    assert np.array_equal(steps[-1].rows["merge"], (merged - BASE).numpy())
    assert len(steps) == 2 + (method in FIRST_STEPS) + (method in ELECTING)


@pytest.mark.parametrize("method", ["ties", "breadcrumbs"])
def test_trimming_keeps_the_share_that_the_density_says(method):
    _, trimmed, *_ = trace_method(method, BASE, MODELS, GIVEN | ({"gamma": 0.1} if method == "breadcrumbs" else {}))
    assert [int((row != 0).sum()) for row in trimmed.rows.values()] == [80, 80, 80]


@pytest.mark.parametrize("consensus", ["sum", "count"])
def test_the_merge_has_the_elected_signs(consensus):
    steps = trace_method("ties", BASE, MODELS, GIVEN | {"weight": [1.0, 0.5, 0.3], "consensus": consensus})
    signs, merged = steps[2].rows["elected sign"], steps[3].rows["merge"]
    certain = np.abs(merged) > 1e-6  # a change is a difference of two rounded numbers
    assert np.array_equal(np.sign(merged[certain]), signs[certain])
    assert set(np.unique(signs)) == {-1.0, 0.0, 1.0}


def test_votes_that_cancel_elect_plus():
    steps = trace_method("ties", torch.zeros(2), [torch.tensor([1.0, 1.0]), torch.tensor([-1.0, 0.0])], {"weight": 1})
    assert steps[2].rows["elected sign"].tolist() == [1, 1]
    assert steps[3].rows["merge"].tolist() == [1, 1]


def test_dropping_shows_the_masks_of_the_merge():
    _, dropped, merged = trace_method("dare_linear", BASE, MODELS, GIVEN, seed=5)
    total = sum(w * row for w, row in zip(GIVEN["weight"], dropped.rows.values(), strict=True))
    assert np.allclose(merged.rows["merge"], total, atol=1e-5)


@pytest.mark.parametrize("method", ["slerp", "tie"])
def test_methods_without_a_base_are_refused(method):
    with pytest.raises(ArgumentError, match="methods with a base model"):
        trace_method(method, BASE, MODELS)
