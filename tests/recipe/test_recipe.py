"""The recipe as data: what it takes, refuses, equals, and how copies with changes are made."""

import pytest

from nbmerge.errors import NbmergeError, RecipeError
from nbmerge.recipe import ModelRef, Recipe, Setting

PLAIN = {
    "merge_method": "task_arithmetic",
    "base_model": "org/base",
    "models": [
        {"model": "org/one", "parameters": {"weight": [0, 0.5, 1]}},
        {"model": "org/two", "parameters": {"weight": [{"filter": "mlp", "value": 0.25}, {"value": 1e-4}]}},
    ],
    "parameters": {"normalize": False},
    "dtype": "bfloat16",
}


def recipe(**changes) -> Recipe:
    return Recipe.of(PLAIN | changes)


def problems(data) -> list:
    with pytest.raises(RecipeError) as caught:
        Recipe.of(data)
    assert str(caught.value)
    assert all(p.severity == "error" for p in caught.value.problems)
    return list(caught.value.problems)


def test_fields_are_read():
    r = recipe(out_dtype="float16", random_seed=7, embedding_source="org/two", config_source={"path": "org/one"})
    assert (r.merge_method, r.base_model, r.dtype, r.out_dtype) == (
        "task_arithmetic", ModelRef("org/base"), "bfloat16", "float16",
    )  # fmt: skip
    assert [s.model.name for s in r.models] == ["one", "two"]
    assert r.models[0].parameters["weight"] == Setting.of([0, 0.5, 1])
    assert (r.random_seed, r.embedding_source, r.config_source) == (7, ModelRef("org/two"), ModelRef("org/one"))


def test_models_may_be_bare_names():
    r = Recipe.of({"merge_method": "slerp", "models": ["org/one", {"model": "org/two"}], "parameters": {"t": 0.5}})
    assert [s.model.path for s in r.models] == ["org/one", "org/two"]


def test_null_means_not_given():
    assert recipe(out_dtype=None, slices=None, random_seed=None) == recipe()
    assert recipe(parameters={"normalize": False, "lambda": None}) == recipe()


def test_slices():
    sources = [{"model": "a", "layer_range": [0, 4]}, {"model": "b", "layer_range": [2, 6], "parameters": {"scale": 2}}]
    r = Recipe.of({"merge_method": "linear", "slices": [{"sources": sources, "parameters": {"weight": 1}}]})
    assert [s.layer_range for s in r.pieces[0].sources] == [(0, 4), (2, 6)]
    assert r.pieces[0].parameters["weight"] == Setting.of(1)


def test_the_models_form_is_one_piece():
    (piece,) = recipe().pieces
    assert piece.sources == recipe().models


@pytest.mark.parametrize(
    ("raw", "name"),
    [
        ("bf16", "bfloat16"),
        ("torch.float16", "float16"),
        ("FLOAT32", "float32"),
        ("half", "float16"),
        ("fp32", "float32"),
    ],
)
def test_dtypes_have_several_names(raw, name):
    assert recipe(dtype=raw).dtype == name


def test_references_come_once_inputs_then_base_then_donors():
    r = recipe(embedding_source="org/two", lm_head_source="org/three")
    assert [ref.path for ref in r.references] == ["org/one", "org/two", "org/base", "org/three"]


# --- what is refused, and where ---


@pytest.mark.parametrize(
    ("changes", "where", "said"),
    [
        ({"merge_metod": "x"}, "merge_metod", "Did you mean 'merge_method'?"),
        ({"base_modl": "x"}, "base_modl", "Did you mean 'base_model'?"),
        ({"models": [{"model": "a", "paramters": {}}]}, "models[0].paramters", "Did you mean 'parameters'?"),
        ({"dtype": "float31"}, "dtype", "Did you mean 'float32'?"),
        ({"dtype": "int8"}, "dtype", "int8"),
        ({"models": [{"parameters": {}}]}, "models[0].model", "missing"),
        ({"models": []}, "", "empty"),
        ({"models": None}, "", "models"),
        ({"models": "a"}, "models", "'a'"),
        ({"models": {"a": 1}}, "models", "{'a': 1}"),
        ({"slices": [{"sources": [{"model": "a"}]}]}, "", "models"),
        ({"models": ["a@b@c"]}, "models[0].model", "a@b@c"),
        ({"models": [{"model": "a", "layer_range": [3, 1]}]}, "models[0].layer_range", "no layer"),
        ({"models": [{"model": "a", "layer_range": [-1, 1]}]}, "models[0].layer_range", "counted from 0"),
        ({"models": [{"model": "a", "layer_range": [0, 1.5]}]}, "models[0].layer_range", "whole numbers"),
        ({"models": [{"model": "a", "layer_range": [0, True]}]}, "models[0].layer_range", "whole numbers"),
        ({"models": [{"model": "a", "layer_range": 5}]}, "models[0].layer_range", "[0, 16]"),
        ({"models": [{"model": "a", "layer_range": [1, 2, 3]}]}, "models[0].layer_range", "[0, 16]"),
        ({"parameters": [1, 2]}, "parameters", "mapping"),
        ({"parameters": {"normalize": [[1], [2]]}}, "parameters.normalize", "expected a number"),
        (
            {"models": [{"model": "a", "parameters": {"weight": [1, {"valu": 2}]}}]},
            "models[0].parameters.weight",
            "rule",
        ),
        ({"random_seed": -1}, "random_seed", "0"),
        ({"random_seed": 1.5}, "random_seed", "integer"),
        ({"random_seed": "soon"}, "random_seed", "soon"),
        ({"merge_method": None}, "merge_method", "missing"),
        ({"merge_method": ["ties"]}, "merge_method", "a string"),
        ({"base_model": 5}, "base_model", "5"),
    ],
)
def test_mistakes_are_refused_with_their_place(changes, where, said):
    found = problems(PLAIN | changes)
    assert where in [p.place for p in found]
    assert any(said in str(p) for p in found if p.place == where)


def test_an_unknown_key_in_a_slice_is_named():
    data = {"merge_method": "linear", "slices": [{"sources": [{"model": "a"}], "parametrs": {}}]}
    (found,) = problems(data)
    assert found.place == "slices[0].parametrs"
    assert "'parameters'" in found.how


def test_all_mistakes_are_reported_at_once():
    data = {"merge_metod": "x", "models": [{"model": ""}, {"model": "b", "parameters": {"weight": []}}], "dtype": "x"}
    places = {p.place for p in problems(data)}
    assert {"merge_metod", "merge_method", "models[0].model", "models[1].parameters.weight", "dtype"} <= places


@pytest.mark.parametrize(
    "data", [None, 5, "text", [PLAIN], {}, {1: 2}, {"merge_method": "linear", 5: 6, "models": ["a"]}]
)
def test_keys_that_are_not_strings_are_refused(data):
    assert problems(data)


def test_the_error_is_what_a_caller_would_guess():
    with pytest.raises(ValueError, match="merge_method"):
        Recipe.of({})
    assert issubclass(RecipeError, NbmergeError)


def test_a_recipe_cannot_be_changed():
    with pytest.raises(ValueError, match="frozen"):
        recipe().dtype = "float32"


# --- copies ---


def test_replace_validates_again():
    assert recipe().replace(dtype="float16").dtype == "float16"
    with pytest.raises(RecipeError, match="float31"):
        recipe().replace(dtype="float31")
    with pytest.raises(RecipeError, match="dtyp"):
        recipe().replace(dtyp="float16")


def test_replace_may_change_the_form():
    changed = recipe().replace(models=None, slices=[{"sources": [{"model": "org/one", "layer_range": [0, 2]}]}])
    assert changed.models is None
    assert changed.slices[0].sources[0].layer_range == (0, 2)


def test_replace_leaves_the_original():
    before = recipe().plain()
    original = recipe()
    original.replace(random_seed=5)
    original.with_parameter("weight", 0, model="one")
    assert original.plain() == before


def test_with_parameter_for_the_whole_merge():
    r = recipe().with_parameter("lambda", [0, 1])
    assert r.parameters["lambda"] == Setting.of([0, 1])
    assert r.parameters["normalize"] == Setting.of(False)
    assert r.models == recipe().models


@pytest.mark.parametrize("model", ["one", "org/one", ModelRef("org/one")])
def test_with_parameter_for_one_model(model):
    r = recipe().with_parameter("weight", [{"filter": "mlp", "value": 2}], model=model)
    assert r.models[0].parameters["weight"] == Setting.of([{"filter": "mlp", "value": 2}])
    assert r.models[1] == recipe().models[1]


def test_with_parameter_none_takes_it_away():
    r = recipe().with_parameter("weight", None, model="one")
    assert "weight" not in r.models[0].parameters
    assert r.with_parameter("weight", None, model="one") == r


def test_with_parameter_reaches_a_model_in_every_slice():
    sources = [{"model": "a", "layer_range": [0, 1]}, {"model": "b", "layer_range": [0, 1]}]
    r = Recipe.of({"merge_method": "linear", "slices": [{"sources": sources}, {"sources": sources}]})
    changed = r.with_parameter("weight", 0.5, model="a")
    for piece in changed.slices:
        assert piece.sources[0].parameters["weight"] == Setting.of(0.5)
        assert piece.sources[1].parameters == {}


@pytest.mark.parametrize("name", ["three", "on", ""])
def test_a_model_that_is_not_there_is_refused(name):
    with pytest.raises(RecipeError, match="not a model of this recipe"):
        recipe().with_parameter("weight", 1, model=name)


def test_a_name_that_two_models_share_is_refused():
    r = Recipe.of({"merge_method": "linear", "models": ["a/model", "b/model"]})
    with pytest.raises(RecipeError, match="ambiguous"):
        r.find("model")
    assert r.find("b/model") == ModelRef("b/model")


def test_a_misspelt_model_gets_a_suggestion():
    with pytest.raises(RecipeError, match="Did you mean 'two'"):
        recipe().find("twoo")


# --- how it shows ---


def test_it_shows_short_in_text_and_escaped_in_html():
    r = recipe(models=["<script>alert(1)</script>"])
    assert "task_arithmetic" in repr(r)
    assert repr(r)[-10:-2] == r.fingerprint[:8]
    assert "<script>" not in r._repr_html_()
    assert "&lt;script&gt;" in r._repr_html_()


@pytest.mark.parametrize(
    ("more", "what"),
    [
        ({"modules": [{"models": ["a"]}]}, "modules: expected a mapping, not [{'models': ['a']}]."),
        ({"modules": {"default": None}}, "modules.default: expected a mapping, not None."),
        ({"slices": {"sources": []}}, "slices: expected a list, not {'sources': []}."),
    ],
)
def test_an_error_describes_the_expected_value(more, what):
    with pytest.raises(RecipeError) as error:
        Recipe.of({"merge_method": "linear", **more})
    assert what in str(error.value)


def test_a_list_is_not_also_too_short_because_an_entry_is_refused():
    slices = [{"sources": [{"model": "a", "layer_range": [2, 2]}]}]
    with pytest.raises(RecipeError) as error:
        Recipe.of({"merge_method": "passthrough", "slices": slices})
    assert [p.place for p in error.value.problems] == ["slices[0].sources[0].layer_range"]
