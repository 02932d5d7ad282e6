"""A plan from another with other numbers is the plan that the planner makes."""

from random import Random

import pytest

from nbmerge.engine.planning.incremental import plan_after, revise_plan
from nbmerge.engine.planning.planner import plan
from nbmerge.errors import RecipeError
from nbmerge.recipe import Recipe
from tests.models import make_model

ROWS = ("name", "shape", "dtype", "layer", "kind", "method", "inputs", "models", "values", "decided")
SHARED = ("depth", "depths", "stack", "parents", "bytes_written", "bytes_read", "parameters")


def amount(random: Random):
    value, gradient = round(random.random(), 2), [round(random.random(), 2) for _ in range(2)]
    part = random.choice(["mlp", "layers.1.", "embed_tokens"])
    return random.choice([value, gradient, [{"filter": part, "value": value}, {"value": gradient}]])


def recipe(family, method: str, random: Random) -> Recipe:
    one, two = str(family.ft1), str(family.ft2)
    if method == "slerp":
        return Recipe.of({"merge_method": method, "models": [one, two], "parameters": {"t": amount(random)}})
    more = {"density": round(random.uniform(0.1, 1), 2)} if method in ("ties", "dare_ties") else {}
    models = [{"model": m, "parameters": {"weight": amount(random)} | more} for m in (one, two)]
    data = {"merge_method": method, "models": models, "parameters": {"normalize": random.random() < 0.5}}
    return Recipe.of(data | ({} if method == "linear" else {"base_model": str(family.base)}))


@pytest.mark.parametrize("method", ["linear", "slerp", "task_arithmetic", "ties", "dare_ties"])
@pytest.mark.rest_is_slow(keep=3)
def test_it_is_the_same_plan(family, method):
    random = Random(method)
    before = plan(recipe(family, method, random))
    for _ in range(12):
        wanted = recipe(family, method, random)
        got, expected = revise_plan(before, wanted), plan(wanted)
        assert got is not None
        assert (got.recipe, got.config, got.problems) == (expected.recipe, expected.config, expected.problems)
        for a, b in zip(got.tensors, expected.tensors, strict=True):
            assert all(getattr(a, row) == getattr(b, row) for row in ROWS)
        assert all(getattr(got, name) == getattr(expected, name) for name in SHARED)
        assert got.family is before.family
        before = got


def test_tensors_without_changes_are_the_same_objects(family):
    r = recipe(family, "linear", Random(1)).with_parameter(
        "weight", [{"filter": "layers.1.", "value": 0.2}, {"value": 0.5}]
    )
    before = plan(r)
    after = revise_plan(before, r.with_parameter("weight", [{"filter": "layers.1.", "value": 0.3}, {"value": 0.5}]))
    assert {t.layer for t in after.tensors if t is not before[t.name]} == {1}


def test_more_than_numbers_is_left_to_the_planner(family):
    r = recipe(family, "task_arithmetic", Random(1))
    before = plan(r)
    others = (
        r.replace(merge_method="ties", parameters={"density": 0.5}),
        r.replace(dtype="bfloat16"),
        r.with_parameter("lambda", 2.0),
    )
    for other in others:
        assert revise_plan(before, other) is None
        assert plan_after(before, other).tensors == plan(other).tensors


def test_problems_are_those_of_the_planner(family):
    r = Recipe.of(
        {
            "merge_method": "linear",
            "models": [{"model": str(m), "parameters": {"weight": 0.5}} for m in (family.ft1, family.ft2)],
        }
    )
    before = plan(r)
    with pytest.raises(RecipeError, match="sum to 0"):
        plan_after(before, r.with_parameter("weight", -0.5, model="ft1"))
    strange = r.with_parameter("weight", [{"filter": "nothing", "value": 1}, {"value": 0.5}], model="ft1")
    assert plan_after(before, strange).problems == plan(strange).problems != ()


def test_models_that_were_saved_again_are_left_to_the_planner(tmp_path):
    base = make_model(tmp_path / "base")
    tuned = make_model(tmp_path / "tuned", base=base, seed=1)
    r = Recipe.of({"merge_method": "slerp", "models": [str(base), str(tuned)], "parameters": {"t": 0.4}})
    before = plan(r)
    make_model(tuned, layers=2)
    with pytest.raises(RecipeError):
        plan_after(before, r.with_parameter("t", 0.5))
