"""What must hold for every method: ends, equal models, order, scale, and independence of how the work is divided."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import torch

from nbmerge.engine.compute.pool import run
from nbmerge.engine.merge import merge
from nbmerge.engine.planning.planner import plan
from nbmerge.methods import REQUIRED, methods
from nbmerge.recipe import Recipe
from tests.costs import rest_is_slow
from tests.methods.apply import family as relatives
from tests.methods.apply import merged, ulps
from tests.models import read_tensors

NAMES = tuple(methods())
SHAPES = ((1,), (7,), (5, 1), (1, 5), (6, 9))
GIVEN: dict[str, dict[str, Any]] = {
    "slerp": {"t": 0.3},
    "nearswap": {"t": 0.05},
    "ties": {"density": 0.6},
    "dare_linear": {"density": 0.6},
    "dare_ties": {"density": 0.6},
    "della": {"density": 0.6},
    "della_linear": {"density": 0.6},
    "breadcrumbs": {"density": 0.6, "gamma": 0.1},
    "breadcrumbs_ties": {"density": 0.6, "gamma": 0.1},
    "sce": {"select_topk": 0.6},
    "ram": {"epsilon": 0.01},
    "ramplus_tl": {"epsilon": 0.01},
}
MORE = {
    "nuslerp": [{"nuslerp_flatten": False}, {"nuslerp_flatten": False, "nuslerp_row_wise": True}],
    "model_stock": [{"filter_wise": True}],
    "dare_linear": [{"density": 0.6, "rescale": "l1"}],
    "della": [{"density": 0.6, "rescale": "l1"}],
    "sce": [{"select_topk": 1.0}],
    "ties": [{"density": 0.6, "normalize": False}],
    "linear": [{"normalize": False}],
}
WAYS = [(n, way) for n in NAMES for way in (GIVEN.get(n, {}), *MORE.get(n, []))]
MATRIX = {"iso_c", "tsv_m", "wudi"}
RANDOM = {"dare_linear", "dare_ties", "della", "della_linear"}


def count(name: str) -> int:
    """How many tensors a method is given here, the base included."""
    least, most = methods()[name].inputs
    return most or max(least, 4) if methods()[name].base != "optional" else (most or 3) + 1


def given(name: str, way: dict[str, Any], weights: list[float] | float = 0.5) -> dict[str, Any]:
    """Parameters of a method, with weights where it has some."""
    weight = methods()[name].parameter("weight")
    return way | ({"weight": weights} if weight else {})


def each(name: str, values: list[float]) -> list[float]:
    """One value per merged input."""
    return values[: count(name) - (methods()[name].base in ("required", "optional"))]


@pytest.mark.parametrize(("name", "way"), WAYS)
@pytest.mark.rest_is_slow(keep=8)
def test_a_model_merged_with_itself_is_that_model(name, way):
    if name == "linear" and way.get("normalize") is False:
        pytest.skip("weights are no shares here")
    for shape, dtype in itertools.product(SHAPES, (torch.float32, torch.bfloat16, torch.float16, torch.float64)):
        model = relatives(shape, 1, dtype)[1]
        result = merged(name, [model] * count(name), given(name, way))
        assert torch.equal(result, model), (shape, dtype)


@pytest.mark.parametrize("name", [n for n in NAMES if methods()[n].parameter("weight")])
@pytest.mark.rest_is_slow(keep=9)
def test_weight_on_one_model_alone_gives_that_model(name):
    if name in ("iso_c", "consensus"):
        pytest.skip("levels or filters the changes of a single model, too")
    ways = {"lines": {"alpha": 0.0, "beta": 1.0}}
    for shape, dtype in itertools.product(SHAPES, (torch.bfloat16, torch.float16, torch.float32)):
        tensors = relatives(shape, count(name) - 1, dtype, seed=1)
        merging = each(name, [1.0, 1.0, 1.0, 1.0])
        for i in range(len(merging)):
            weights = [float(i == j) for j in range(len(merging))]
            own = tensors[len(tensors) - len(merging) + i]
            result = merged(name, tensors, ways.get(name, {}) | {"weight": weights}, position=1.0)
            # B + (W − B) is W in short floats; in float32 the difference itself is rounded.
            exact = torch.equal(result, own) if dtype != torch.float32 else ulps(result, own.double(), tensors) <= 1
            assert exact, (shape, dtype, i)


@pytest.mark.parametrize("name", ["linear", "nuslerp", "multislerp"])
def test_weight_on_one_model_alone_gives_its_bytes_in_float32(name):
    tensors = relatives((6, 9), count(name) - 1)
    for i in (1, 2):
        weights = [0.0] * len(each(name, [1.0] * 9))
        weights[i - len(tensors)] = 2.0
        assert torch.equal(merged(name, tensors, {"weight": weights}), tensors[i])


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_ends_of_slerp_are_its_models(dtype):
    base, own = relatives((6, 9), 1, dtype)
    assert torch.equal(merged("slerp", [base, own], {"t": 0.0}), base)
    assert torch.equal(merged("slerp", [base, own], {"t": 1.0}), own)


@pytest.mark.parametrize(("name", "way"), WAYS)
@pytest.mark.rest_is_slow(keep=16)
def test_models_may_be_named_in_any_order(name, way):
    if name in RANDOM or count(name) - (methods()[name].base != "none") < 2 or methods()[name].base == "first":
        pytest.skip("draws belong to a model's place, or there is nothing to exchange")
    tensors = relatives((33, 21), count(name) - 1, seed=3)
    weights = each(name, [0.9, 0.4, 0.7, 0.2])
    start = len(tensors) - len(weights) if methods()[name].parameter("weight") else methods()[name].base == "required"
    merging = tensors[start:]
    order = [*range(1, len(merging)), 0]
    one = merged(name, tensors, given(name, way, weights))
    other = merged(
        name,
        [*tensors[:start], *(merging[i] for i in order)],
        given(name, way, [weights[i % len(weights)] for i in order]),
    )
    if name in MATRIX:
        torch.testing.assert_close(other, one, rtol=1e-4, atol=1e-5)
    else:
        assert ulps(other, one.double(), tensors) <= 2


@pytest.mark.parametrize(("name", "way"), WAYS)
@pytest.mark.rest_is_slow(keep=16)
def test_models_scaled_by_a_power_of_two_give_the_scaled_merge(name, way):
    if name in ("nearswap", "ram", "ramplus_tl", "arcee_fusion"):
        pytest.skip("has a threshold in units of the weights")
    tensors = relatives((33, 21), count(name) - 1, seed=3)
    weights = each(name, [0.9, 0.4, 0.7, 0.2])
    one = merged(name, tensors, given(name, way, weights))
    for factor in (4.0, 2.0**-12):
        other = merged(name, [factor * t for t in tensors], given(name, way, weights))
        if name in MATRIX:  # LAPACK scales small matrices by itself
            torch.testing.assert_close(other, factor * one, rtol=1e-4, atol=1e-5 * factor)
        else:
            assert torch.equal(other, factor * one)


@pytest.mark.parametrize(("name", "way"), WAYS)
@pytest.mark.rest_is_slow(keep=8)
def test_zeros_opposites_and_huge_numbers_give_no_nan(name, way):
    n = count(name)
    for shape in SHAPES:
        zero, one = torch.zeros(shape), torch.randn(shape, generator=torch.Generator().manual_seed(0))
        for tensors in (
            [zero] * n,
            [zero, *[one] * (n - 1)],
            [one, *[zero] * (n - 1)],
            [zero, *((-1) ** i * one for i in range(n - 1))],
            [one, *((-1) ** i * one for i in range(n - 1))],
        ):
            assert merged(name, tensors[:n], given(name, way)).isfinite().all(), shape


@pytest.mark.parametrize(("name", "way"), WAYS)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.rest_is_slow(keep=25)
def test_short_floats_do_not_overflow_on_the_way(name, way, dtype):
    size = 6e4 if dtype == torch.float16 else 1e15
    base = torch.full((4, 6), -size, dtype=dtype)
    own = torch.full((4, 6), size, dtype=dtype)
    merging = count(name) - (methods()[name].base in ("required", "optional"))
    weights = 0.5 / max(1, merging)
    changes = {"linear": {"normalize": True}} | {n: {"density": 1.0} for n in RANDOM}
    result = merged(name, [base, *[own] * (count(name) - 1)], given(name, way | changes.get(name, {}), weights))
    assert result.isfinite().all()


@pytest.mark.parametrize(("name", "way"), WAYS)
@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
@pytest.mark.rest_is_slow(keep=16)
def test_what_is_not_finite_reaches_the_result_where_the_engine_finds_it(name, way, bad):
    if name == "nearswap" and bad == float("inf"):
        pytest.skip("what is infinitely far away is approached by t")
    for i in range(count(name)):
        tensors = relatives((6, 9), count(name) - 1)
        tensors[i][2, 3] = bad
        assert not merged(name, tensors, given(name, way)).isfinite().all(), i


def recipe(name: str, folders) -> dict[str, Any]:
    """A whole merge of the tiny family."""
    base, ft1, ft2 = map(str, (folders.base, folders.ft1, folders.ft2))
    method = methods()[name]
    most = method.inputs[1]
    models = {1: [ft1], 2: [ft1, ft2]}.get((most or 3) - (method.base in ("required", "first")), [ft1, ft2])
    parameters: dict[str, Any] = dict(GIVEN.get(name, {}))
    parameters |= {p.name: 0.5 for p in method.parameters if p.default is REQUIRED and p.name not in parameters}
    start = {"base_model": base} if method.base in ("required", "first") or most == 1 else {}
    return {"merge_method": name, "models": models, "parameters": parameters, **start}


def computed(tensors, threads: int) -> dict[str, torch.Tensor]:
    held = {t.name: torch.empty(t.count, dtype=getattr(torch, t.dtype)) for t in tensors}

    def sink(tensor, blocks):
        flat = held[tensor.name]
        return lambda start, block: flat[start : start + block.numel()].copy_(block)

    run(tensors, sink, threads=threads)
    return held


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.rest_is_slow(keep=11)
@pytest.mark.rest_is_slow(keep=5)
def test_a_tensor_does_not_depend_on_threads_order_or_other_tensors(name, family):
    tensors = plan(recipe(name, family)).tensors
    assert any(t.method == name for t in tensors)
    one = computed(tensors, threads=1)
    for other in (computed(tensors[::-1], threads=3), computed(tensors[5:9], threads=2)):
        assert all(torch.equal(one[key], tensor) for key, tensor in other.items())


@pytest.mark.parametrize(("name", "way"), WAYS)
@pytest.mark.parametrize("block", [72, 16])
@pytest.mark.rest_is_slow(keep=25)
def test_a_tensor_does_not_depend_on_where_blocks_end(name, way, block, monkeypatch):
    """Blocks of a few rows, and rows longer than a block."""
    tensors = relatives((40, 24), count(name) - 1, seed=3)
    one = merged(name, tensors, given(name, way))
    monkeypatch.setattr("nbmerge.engine.compute.blocks.BLOCK", block)
    assert ulps(merged(name, tensors, given(name, way)), one.double(), tensors) <= 1


OUTER, INNER = ("linear", "nuslerp", "arcee_fusion", "tsv_m"), ("task_arithmetic", "della", "iso_c")


@pytest.mark.parametrize(
    ("outer", "inner"),
    rest_is_slow(
        itertools.product(OUTER, INNER), [("linear", "iso_c"), ("nuslerp", "della"), ("tsv_m", "task_arithmetic")]
    ),
)
@pytest.mark.rest_is_slow(keep=1)
def test_a_merge_of_a_merge_is_the_same_from_disk(outer, inner, family, tmp_path):
    """Whatever blocks the two methods are cut into."""
    first = recipe(inner, family) | {"name": "first", "dtype": "float32"}
    second = recipe(outer, family)
    second["parameters"] = second["parameters"] | ({"nuslerp_flatten": False} if outer == "nuslerp" else {})
    second["models"] = ["first", str(family.ft2)][: len(second["models"])]
    at_once = merge(Recipe.of(second | {"merges": [first]}), tmp_path / "at-once")
    merge(Recipe.of({k: v for k, v in first.items() if k != "name"}), tmp_path / "first")
    second["models"][0] = str(tmp_path / "first")
    in_steps = merge(Recipe.of(second), tmp_path / "in-steps")
    one, other = read_tensors(at_once.path), read_tensors(in_steps.path)
    assert all(torch.equal(one[name], other[name]) for name in one | other)
