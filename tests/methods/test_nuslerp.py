from __future__ import annotations

import math

import pytest
import torch

from nbmerge.engine.planning.planner import examine, plan
from nbmerge.methods import Combination, methods
from nbmerge.recipe import Recipe
from tests.methods.apply import DTYPES, SHAPES, merged, ulps, values_of
from tests.methods.apply import family as relatives


def arc(a: torch.Tensor, b: torch.Tensor, t: float) -> torch.Tensor:
    """The formula for two vectors, float64."""
    norms = float(a.norm() * b.norm())
    cosine = max(-1.0, min(1.0, float(a @ b) / norms)) if norms else 0.0
    angle = math.acos(cosine)
    if angle < 1e-6 or cosine < -0.9995:
        return (1 - t) * a + t * b
    return (math.sin((1 - t) * angle) * a + math.sin(t * angle) * b) / math.sin(angle)


def formula(tensors, t: float, based: bool, along: int | None) -> torch.Tensor:
    *base, a, b = (x.double() for x in tensors)
    start = base[0] if based else torch.zeros_like(a)
    a, b = a - start, b - start
    if along is None or a.dim() == 1:
        mixed = arc(a.flatten(), b.flatten(), t).view(a.shape)
    else:
        columns = a.shape[-1]
        a2, b2 = a.reshape(-1, columns), b.reshape(-1, columns)
        mixed = torch.empty_like(a2)
        for i in range(a2.shape[0] if along == 1 else columns):
            at = (i, slice(None)) if along == 1 else (slice(None), i)
            mixed[at] = arc(a2[at], b2[at], t)
        mixed = mixed.view(a.shape)
    return start + mixed


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("based", [True, False])
@pytest.mark.parametrize("along", [None, 0, 1])
@pytest.mark.rest_is_slow(keep=37)
def test_formula(shape, dtype, based, along):
    tensors = relatives(shape, 2, dtype)[0 if based else 1 :]
    ways = {None: {}, 1: {"nuslerp_flatten": False}, 0: {"nuslerp_flatten": False, "nuslerp_row_wise": True}}
    result = merged("nuslerp", tensors, {"weight": [3.0, 1.0], **ways[along]}, based=based)
    assert ulps(result, formula(tensors, 0.25, based, along), tensors) <= 2


@pytest.mark.parametrize("way", [{}, {"nuslerp_flatten": False}, {"nuslerp_flatten": False, "nuslerp_row_wise": True}])
@pytest.mark.parametrize("based", [True, False])
def test_one_models_weight_alone_gives_its_bytes(way, based):
    tensors = relatives((6, 5), 2)[0 if based else 1 :]
    for weight, own in (([1, 0], tensors[-2]), ([0, 2], tensors[-1])):
        assert torch.equal(merged("nuslerp", tensors, {"weight": weight, **way}, based=based), own)


@pytest.mark.parametrize("way", [{}, {"nuslerp_flatten": False}, {"nuslerp_flatten": False, "nuslerp_row_wise": True}])
def test_opposite_parallel_and_zero_changes_are_numbers(way):
    base = torch.randn(6, 5)
    change = torch.randn(6, 5)
    for first, second in (
        (change, -change),
        (change, change),
        (change, 3 * change),
        (0 * change, change),
        (0 * change,) * 2,
    ):
        result = merged("nuslerp", [base, base + first, base + second], {"weight": [0.4, 0.6], **way})
        assert result.isfinite().all()
        assert (result - base).norm() <= 1.01 * max(first.norm(), second.norm()) + 1e-5


def test_weights_that_cancel_are_refused():
    with pytest.raises(ValueError, match="sum to 0"):
        merged("nuslerp", relatives((3,), 2), {"weight": [1.0, -1.0]})


def test_only_the_flat_form_is_a_combination():
    method = methods()["nuslerp"]
    flat = values_of("nuslerp", 3, {"weight": [1.0, 1.0]}, based=True)
    rows = values_of("nuslerp", 3, {"weight": [1.0, 1.0], "nuslerp_flatten": False}, based=True)
    assert isinstance(method.resolve(flat), Combination)
    assert not isinstance(method.resolve(rows), Combination)


def test_a_base_is_an_option(family):
    """With `base_model` the two are compared to it, without they are taken as they are; it is never one of the two."""
    two = {"merge_method": "nuslerp", "models": [str(family.ft1), str(family.ft2)], "parameters": {"weight": 0.5}}
    plain, based = plan(Recipe.of(two)), plan(Recipe.of(two | {"base_model": str(family.base)}))
    name = "model.layers.0.mlp.up_proj.weight"
    assert (plain[name].models, plain[name].values.each["weight"]) == (("ft1", "ft2"), (0.5, 0.5))
    assert (based[name].models, based[name].values.each["weight"]) == (("base", "ft1", "ft2"), (None, 0.5, 0.5))
    listed = two | {"base_model": str(family.base), "models": [str(family.base), *two["models"]]}
    assert plan(Recipe.of(listed))[name].inputs == based[name].inputs
    made, problems = examine(Recipe.of(two | {"base_model": str(family.ft1)}))
    assert made is None
    assert any("merges 2 models besides a base model; here are 1" in str(p) for p in problems)
