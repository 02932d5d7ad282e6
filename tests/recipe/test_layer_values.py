"""Values at given layers: a gradient whose knots are not evenly spaced."""

import pytest
import yaml

from nbmerge.engine.planning import examine
from nbmerge.engine.planning.planner import plan
from nbmerge.recipe import Recipe, Setting
from nbmerge.recipe.setting import position

ANY = "model.layers.0.mlp.up_proj.weight"


def over_layers(raw, layers):
    setting = Setting.of(raw)
    return [setting.at(ANY, position(i, layers), layers) for i in range(layers)]


def slerp(family, t):
    models = [str(family.ft1), str(family.ft2)]
    return Recipe.of({"merge_method": "slerp", "base_model": models[0], "models": models, "parameters": {"t": t}})


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ({0: 0, 4: 1}, [0, 0.25, 0.5, 0.75, 1]),
        ({"1": 0.2, "3": 0.6}, [0.2, 0.2, 0.4, 0.6, 0.6]),  # constant outside
        ({"1-3": 0.5, 4: 0}, [0.5, 0.5, 0.5, 0.5, 0]),
        ({0: 0, 1.5: 3, 4: 0.5}, [0, 2, 2.5, 1.5, 0.5]),
        ({0: "ties", 2: "linear"}, ["ties", "ties", "linear", "linear", "linear"]),
        ({2: 0.4}, [0.4] * 5),
    ],
)
def test_values_are_linear_between_the_layers_that_are_named(raw, expected):
    assert over_layers(raw, 5) == pytest.approx(expected, abs=1e-12)


def test_both_ends_need_no_depth():
    setting = Setting.of({1: 0.2, 3: 0.6})
    assert (setting.at(ANY, 0.0), setting.at(ANY, 1.0)) == (0.2, 0.6)


def test_a_single_layer_takes_its_own_value():
    assert over_layers({0: 0.3}, 1) == [0.3]


def test_plain_data_and_yaml_are_as_a_person_writes_them():
    raw = {0: 0, "8-15": 0.3, 16.5: 0.1, 31: 1}
    assert Setting.of(raw).plain() == raw
    recipe = Recipe.of({"merge_method": "linear", "models": [{"model": "a", "parameters": {"weight": raw}}]})
    assert Recipe.load(recipe.to_yaml()) == recipe
    assert "{0: 0, 8-15: 0.3, 16.5: 0.1, 31: 1}" in recipe.to_yaml()


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        ({"0": 0.5, "3-5": 1}, {3: 1, 0: 0.5, 5: 1}, True),
        ({0: 0.5, 5: 0.5}, 0.5, True),
        ([0.5, 0.5], 0.5, True),
        ({0: 0, 5: 1}, [0, 1], False),  # the same only in a slice of six layers
    ],
)
def test_equal_meaning_is_equal(one, other, equal):
    assert (Setting.of(one) == Setting.of(other)) is equal
    models = [Recipe.of({"merge_method": "linear", "models": ["a"], "parameters": {"weight": v}}) for v in (one, other)]
    assert (models[0].fingerprint == models[1].fingerprint) is equal


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        ({0: 0.1, "0-3": 0.2}, "layer 0 has two values"),
        ({0: 0.1, "last": 0.2}, "'last' is not a layer"),
        ({"8-3": 0.1}, "goes backwards"),
        ({99999: 0.1}, "beyond 10,000"),
        ({0: [0.1]}, "expected a number"),
    ],
)
def test_invalid_layer_values_are_refused(raw, said):
    with pytest.raises(ValueError, match=said):
        Setting.of(raw)


def test_a_plan_gives_each_layer_its_value(deep_family):
    made = plan(slerp(deep_family, [{"filter": "mlp", "value": {0: 0, 3: 0.9, 5: 0.1}}, {"value": {2: 0.2, 4: 0.4}}]))
    mlp = [made[f"model.layers.{i}.mlp.up_proj.weight"].values["t"] for i in range(6)]
    rest = [made[f"model.layers.{i}.input_layernorm.weight"].values["t"] for i in range(6)]
    assert mlp == pytest.approx([0, 0.3, 0.6, 0.9, 0.5, 0.1])
    assert rest == pytest.approx([0.2, 0.2, 0.2, 0.3, 0.4, 0.4])
    assert made["model.embed_tokens.weight"].values["t"] == 0.2
    assert made["lm_head.weight"].values["t"] == 0.4


def test_a_layer_that_does_not_exist_is_an_error_at_its_place(deep_family):
    made, problems = examine(slerp(deep_family, {0: 0, 6: 1}))
    assert made is None
    (error,) = [p for p in problems if p.severity == "error"]
    assert error.where == ("parameters", "t")
    assert "layer 6 does not exist: the layers are 0 to 5" in error.what


def test_mergekit_gets_a_list_of_all_layers(deep_family):
    recipe = slerp(deep_family, [{"filter": "mlp", "value": {0: 0, 3: 0.9, 5: 0.1}}, {"value": 0.5}])
    export = recipe.to_mergekit()
    rules = yaml.safe_load(export.text)["parameters"]["t"]
    assert export.same
    assert next(r["value"] for r in rules if r.get("filter") == "mlp") == pytest.approx([0, 0.3, 0.6, 0.9, 0.5, 0.1])
    assert plan(Recipe.load(export.text)).tensors == plan(recipe.replace(dtype="float32")).tensors


def test_without_the_depth_mergekit_cannot_have_it():
    recipe = Recipe.of({"merge_method": "linear", "models": [{"model": "a/b", "parameters": {"weight": {0: 0, 9: 1}}}]})
    export = recipe.to_mergekit()
    assert not export.same
    assert "needs the number of layers" in export.lost[0].what


def test_the_description_names_every_turning_point():
    recipe = slerp(type("F", (), {"ft1": "org/a", "ft2": "org/b"}), {0: 0.2, 8: 0.8, 31: 0})
    assert "20 % b, then 80 %, finally 0 %" in recipe.describe()
