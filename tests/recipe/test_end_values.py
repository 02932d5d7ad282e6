"""Final norm and head in a gradient: our meaning, mergekit 0.1's, and YAML that both read alike."""

import pytest
import yaml

from nbmerge.recipe import Recipe
from nbmerge.recipe.end_values import spell_out_ends
from tests.models import make_model

NORM, HEAD = "model.norm.weight", "lm_head.weight"
INSIDE = "model.layers.1.mlp.up_proj.weight"


def slerp(t, **more) -> str:
    return Recipe.of({"merge_method": "slerp", "models": ["a", "b"], "parameters": {"t": t}} | more)


def as_mergekit_reads(r: Recipe, tensor: str, position: float):
    """The global `t` of a tensor, by mergekit's own rules, from the YAML alone."""
    setting = yaml.safe_load(r.to_yaml())["parameters"]["t"]
    rules = setting if isinstance(setting, list) and isinstance(setting[0], dict) else [{"value": setting}]
    value = next(x["value"] for x in rules if x.get("filter", "*") in ("*", None) or x["filter"] in tensor)
    if not isinstance(value, list):
        return value
    x = position * (len(value) - 1)
    i = min(int(x), len(value) - 2)
    return value[i] + (x - i) * (value[i + 1] - value[i])


@pytest.mark.parametrize(
    "t",
    [
        [0.2, 0.9],
        [1, 0.7, 0.1],
        [{"filter": "mlp", "value": [0, 1]}, {"value": [0.3, 0.6]}],
        [{"filter": "norm", "value": [0.1, 0.2]}, {"value": 0.5}],
        [{"filter": "norm.weight", "value": [0.1, 0.2]}, {"value": 0.5}],
        [{"filter": "model.norm.weight", "value": [0.1, 0.2]}, {"filter": "head", "value": [1, 0]}, {"value": 0.5}],
    ],
)
@pytest.mark.parametrize("position", [0.0, 1.0])
def test_every_version_of_mergekit_reads_our_yaml_alike(t, position):
    r = slerp(t)
    for tensor in (NORM, HEAD):
        ours = r.parameters["t"].at(tensor, 1.0)
        assert as_mergekit_reads(r, tensor, position) == pytest.approx(ours)
    for inside in (0.0, 0.25, 1.0):
        assert as_mergekit_reads(r, INSIDE, inside) == pytest.approx(r.parameters["t"].at(INSIDE, inside))


@pytest.mark.parametrize("t", [0.5, [{"filter": "mlp", "value": [0, 1]}, {"value": 0.5}], [0.5, 0.5], "word"])
def test_nothing_is_spelled_out_where_no_gradient_reaches_the_ends(t):
    assert "lm_head" not in slerp(t).to_yaml()


@pytest.mark.parametrize(
    "t",
    [
        [0.2, 0.9],
        [{"filter": "mlp", "value": [0, 1]}, {"value": [0.3, 0.6]}],
        [{"filter": "norm.weight", "value": [0.1, 0.2]}, {"value": 0.5}],
    ],
)
def test_read_with_the_meaning_of_mergekit_0_1(t):
    text = slerp(t).replace()  # a recipe whose text says nothing about the ends
    r = Recipe.load(text.plain(), dialect="mergekit-0.1")
    ours = Recipe.load(text.plain())
    for tensor in (NORM, HEAD):
        assert r.parameters["t"].at(tensor, 1.0) == ours.parameters["t"].at(tensor, 0.0)
        assert ours.parameters["t"].at(tensor, 1.0) != ours.parameters["t"].at(tensor, 0.0) or tensor == HEAD
    for position in (0.0, 0.5, 1.0):
        assert r.parameters["t"].at(INSIDE, position) == ours.parameters["t"].at(INSIDE, position)


def test_the_dialect_reaches_parameters_of_single_models():
    models = [{"model": "a", "parameters": {"weight": [0, 1]}}, {"model": "b", "parameters": {"weight": [1, 0]}}]
    r = Recipe.load({"merge_method": "linear", "models": models}, dialect="mergekit-0.1")
    assert [s.parameters["weight"].at(HEAD, 1.0) for s in r.models] == [0, 1]
    assert [s.parameters["weight"].at(INSIDE, 1.0) for s in r.models] == [1, 0]


def test_only_the_last_slice_decides_the_tensors_after_the_layers():
    def piece(t, first):
        sources = [{"model": m, "layer_range": [first, first + 2]} for m in "ab"]
        return {"sources": sources, "parameters": {"t": t}}

    data = {"merge_method": "slerp", "slices": [piece([0, 1], 0), piece([0.2, 0.8], 2)]}
    r = Recipe.load(data, dialect="mergekit-0.1")
    assert r.slices[-1].parameters["t"].at(NORM, 1.0) == 0.2
    assert r.slices[0] == Recipe.load(data).slices[0]


def test_without_gradients_the_dialects_agree():
    r = slerp(0.5).with_parameter("zero_tensors", "formula")
    assert Recipe.load(r.plain(), dialect="mergekit-0.1") == r
    assert Recipe.load(slerp(0.5).plain(), dialect="nbmerge") == slerp(0.5)


@pytest.mark.parametrize("text", ["merge_method: slerp\nmodels: [a, b]\nparameters:\n  t: [0, 1]\n"])
def test_the_dialect_keeps_lines_and_what_was_found(text):
    r = Recipe.load(text, dialect="mergekit-0.1")
    assert r.line(("parameters", "t")) == 4
    assert r.origin == Recipe.load(text).origin


@pytest.mark.parametrize("dialect", ["nbmerge", "mergekit-0.1"])
@pytest.mark.parametrize("t", [[0.2, 0.9], [{"filter": "mlp", "value": [0, 1]}, {"value": [0.3, 0.6]}]])
def test_spelling_out_does_not_change_the_recipe(t, dialect):
    r = Recipe.load(slerp(t).plain(), dialect=dialect)
    back = Recipe.load(r.to_yaml())
    assert back == r
    assert back.fingerprint == r.fingerprint


@pytest.mark.parametrize("end", ["model.norm", "lm_head"])
def test_a_gradient_in_a_rule_for_an_end_is_its_last_value(end):
    r = slerp([{"filter": end, "value": [0, 1]}, {"value": 0.5}])
    assert r == slerp([{"filter": end, "value": 1}, {"value": 0.5}])
    assert Recipe.load(r.to_yaml()).fingerprint == r.fingerprint


def test_names_are_asked_from_a_model_at_hand(tmp_path):
    make_model(tmp_path / "a", architecture="gpt2", tokenizer=False)
    text = slerp([0, 1], models=[str(tmp_path / "a"), "b"]).to_yaml()
    assert "transformer.ln_f" in text
    assert "model.norm" not in text


def test_a_tensor_that_no_rule_matches_gets_none():
    weight = [{"filter": "norm.weight", "value": [0, 1]}]
    models = [{"model": "a", "parameters": {"weight": weight}}, {"model": "b", "parameters": {"weight": 1}}]
    r = Recipe.of({"merge_method": "linear", "models": models, "parameters": {"weight": 0.5}})
    spelled = spell_out_ends(r, ends={"model.norm": ("model.norm.weight", "model.norm.bias")})
    assert spelled.models[0].parameters["weight"].at("model.norm.weight", 0.0) == 1
    assert spelled.models[0].parameters["weight"].at("model.norm.bias", 0.0) is None
