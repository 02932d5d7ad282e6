"""Corners in which we differ from mergekit on purpose: what it does, and what we do instead. See docs/methods.md."""

from __future__ import annotations

import pytest
import torch

from tests.differential.cases import edges
from tests.differential.conftest import Oracle
from tests.methods.apply import merged

pytestmark = pytest.mark.differential
EDGES = edges()


def ours(name: str, **more) -> torch.Tensor:
    edge = EDGES[name]
    return merged(edge.method, edge.tensors, edge.parameters | more, based=edge.based)


@pytest.mark.parametrize("name", ["della at the edge", "della on rows of one", "multislerp of untouched"])
def test_merges_on_which_mergekit_fails_are_finite(name: str, oracle: Oracle):
    assert name in oracle.errors
    assert ours(name).isfinite().all()


def test_untouched_models_stay_the_base(oracle: Oracle):
    assert torch.equal(ours("multislerp of untouched"), EDGES["multislerp of untouched"].tensors[0])


def test_weights_that_sum_to_zero_are_refused(oracle: Oracle):
    assert not oracle.results["linear of nothing"].isfinite().all()
    assert oracle.results["nuslerp of nothing"].isfinite().all()  # takes t = 0.5
    for name in ("linear of nothing", "nuslerp of nothing"):
        with pytest.raises(ValueError, match="sum to 0"):
            ours(name)


def test_slerp_with_a_zero_tensor_keeps_the_other(oracle: Oracle):
    theirs, other = oracle.results["slerp with zero"], EDGES["slerp with zero"].tensors[1]
    torch.testing.assert_close(theirs, other * 0.5**0.5)
    assert torch.equal(ours("slerp with zero"), other)
    torch.testing.assert_close(ours("slerp with zero", zero_tensors="formula"), theirs)


def test_sce_weighs_small_changes_too(oracle: Oracle):
    _, a, b = EDGES["sce of small changes"].tensors
    agree = a.sign() == b.sign()
    torch.testing.assert_close(oracle.results["sce of small changes"][agree], ((a + b) / 2)[agree])
    shares = torch.tensor([float(a.square().sum()), float(b.square().sum())])
    shares = shares / shares.sum()
    torch.testing.assert_close(ours("sce of small changes")[agree], (shares[0] * a + shares[1] * b)[agree])


def test_model_stock_moves_away_from_the_mean_by_no_more_than_the_mean(oracle: Oracle):
    _, a, b = EDGES["model_stock apart"].tensors
    mean, theirs = (a + b) / 2, oracle.results["model_stock apart"]
    assert theirs.norm() > 2 * mean.norm()
    torch.testing.assert_close(ours("model_stock apart"), -mean)


def test_breadcrumbs_keeps_at_least_one_element(oracle: Oracle):
    base, own = EDGES["breadcrumbs of one"].tensors
    assert torch.equal(oracle.results["breadcrumbs of one"], base)
    torch.testing.assert_close(ours("breadcrumbs of one"), own)


def test_karcher_counts_small_tensors(oracle: Oracle):
    small, own = EDGES["karcher with tiny"].tensors
    torch.testing.assert_close(
        oracle.results["karcher with tiny"], own / 2
    )  # the direction of the small one is dropped
    middle = merged("karcher", [small * own.norm() / small.norm(), own])
    assert torch.cosine_similarity(ours("karcher with tiny").flatten(), middle.flatten(), dim=0) > 1 - 1e-6


def test_fusion_keeps_the_dtype(oracle: Oracle):
    assert oracle.results["fusion in short floats"].dtype == torch.float32
    assert ours("fusion in short floats").dtype == torch.bfloat16


def test_short_floats_do_not_overflow_on_the_way(oracle: Oracle):
    assert not oracle.results["task arithmetic in float16"].isfinite().any()
    torch.testing.assert_close(ours("task arithmetic in float16"), torch.full((4, 3), 36000, dtype=torch.float16))
