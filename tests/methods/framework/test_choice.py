"""Another method for some tensors: `method` among the parameters, with filters and over layers."""

from __future__ import annotations

import pytest

from nbmerge.engine.planning.planner import examine, plan
from nbmerge.recipe import Recipe
from tests.methods.test_laws import computed


@pytest.fixture
def source(family):
    return {
        "merge_method": "task_arithmetic",
        "base_model": str(family.base),
        "models": [
            {"model": str(family.ft1), "parameters": {"weight": 0.5}},
            {"model": str(family.ft2), "parameters": {"weight": 0.3}},
        ],
    }


def test_filters_choose(source):
    chosen = [{"filter": "mlp", "value": "ties"}, {"filter": "self_attn", "value": "linear"}]
    made = plan(Recipe.of(source | {"parameters": {"method": chosen, "density": 0.5}}))
    mlp, attention = made["model.layers.1.mlp.up_proj.weight"], made["model.layers.1.self_attn.q_proj.weight"]
    assert (mlp.method, mlp.models, mlp.values.each["density"]) == ("ties", ("base", "ft1", "ft2"), (None, 0.5, 0.5))
    assert (attention.method, attention.models) == ("linear", ("ft1", "ft2"))
    assert made["model.norm.weight"].method == made.method.name == "task_arithmetic"
    assert mlp.decided["method"] == ("parameters", "method", 0)
    assert not [p for p in made.problems if p.severity != "info"]


def test_tensors_are_what_the_other_method_makes_of_them(source):
    mixed = plan(Recipe.of(source | {"parameters": {"method": {"filter": "mlp", "value": "ties"}, "density": 0.5}}))
    ties = plan(Recipe.of(source | {"merge_method": "ties", "parameters": {"density": 0.5}}))
    plain = plan(Recipe.of(source))
    for tensor, result in computed(mixed.tensors, threads=1).items():
        other = ties if "mlp" in tensor else plain
        assert result.equal(computed([other[tensor]], threads=1)[tensor])


def test_layers_choose(source):
    made = plan(Recipe.of(source | {"parameters": {"method": ["linear", "ties"]}}))
    assert [made[f"model.layers.{i}.mlp.up_proj.weight"].method for i in range(3)] == ["linear", "linear", "ties"]


def test_an_unknown_method_is_named_with_its_place(source):
    made, problems = examine(Recipe.of(source | {"parameters": {"method": {"filter": "mlp", "value": "tie"}}}))
    assert made is None
    assert any("'tie'" in str(p) and "ties" in str(p) for p in problems)


def test_a_method_for_another_number_of_models_is_refused(source):
    made, problems = examine(
        Recipe.of(source | {"parameters": {"method": {"filter": "mlp", "value": "slerp"}, "t": 0.5}})
    )
    assert made is None
    assert any("slerp merges 2" in str(p) for p in problems)


def test_a_choice_under_one_model_is_refused(source):
    source["models"][0]["parameters"]["method"] = "ties"
    made, problems = examine(Recipe.of(source))
    assert made is None
    assert any("'method' applies to the whole merge" in str(p) for p in problems)
