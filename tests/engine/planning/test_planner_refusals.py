"""What no plan can be made of: told all at once, each with its place and a way out."""

import pytest

from nbmerge.engine.planning.planner import plan
from nbmerge.recipe import Recipe
from tests.engine.planning.recipes import errors, problems, recipe, sliced
from tests.models import make_model

# --- what is refused ---


@pytest.mark.parametrize(
    ("method", "more", "place", "said"),
    [
        ("slrp", {}, "merge_method", "Did you mean 'slerp'?"),
        ("nope", {}, "merge_method", "Known here"),
        ("ties", {}, "base_model", "base_model"),
        ("dare_linear", {}, "base_model", "fine-tuned from"),
        ("slerp", {"parameters": {"tt": 1, "t": 0.5}}, "parameters.tt", "Did you mean 't'?"),
        ("linear", {"parameters": {"wieght": 1}}, "parameters.wieght", "Did you mean 'weight'?"),
        ("linear", {"parameters": {"weight": "heavy"}}, "parameters.weight", "number"),
        ("linear", {"parameters": {"weight": 1, "normalize": "maybe"}}, "parameters.normalize", "true or false"),
        ("linear", {"parameters": {"weight": True}}, "parameters.weight", "number"),
        ("slerp", {"parameters": {"t": 0.5, "zero_tensors": "drop"}}, "parameters.zero_tensors", "keep_other"),
        ("slerp", {}, "parameters.t", "needs 't'"),
        ("linear", {}, "models[0].parameters.weight", "needs 'weight' of base"),
        ("linear", {"embedding_source": "/no/such/folder"}, "embedding_source", "neither a local folder"),
        ("linear", {"config_source": "/no/such/folder"}, "config_source", "neither a local folder"),
    ],
)
def test_refused_with_place_and_way_out(family, method, more, place, said):
    found = problems(recipe(method, family.base, family.ft1, **more))
    assert any(p.severity == "error" and p.place == place and said in str(p) for p in found), found


@pytest.mark.parametrize(
    ("density", "said"),
    [(1.5, "density = 1.5 is out of range: 0 to 1"), (-0.1, "-0.1"), ([0, 1, 2], "density = 2"), (True, "number")],
)
def test_values_out_of_range(family, density, said):
    r = recipe("ties", (family.ft1, {"weight": 1, "density": density}), base=family.base)
    found = problems(r)
    assert any(p.place == "models[0].parameters.density" and said in str(p) for p in found)


def test_a_gradient_is_checked_where_it_is_used(family):
    # over three layers the middle anchor is met exactly, so is the value out of range in it
    r = recipe("ties", (family.ft1, {"weight": 1, "density": [0, 3, 0]}), base=family.base)
    assert "density = 3" in errors(r)


def test_lines_are_named_where_there_was_a_text(family):
    text = (
        f"merge_method: linear\nmodels:\n  - model: {family.base}\n    parameters:\n      weigth: 1\n"
        f"  - model: {family.ft1}x\n    parameters: {{weight: 1}}\n"
    )
    found = problems(Recipe.load(text))
    assert {(p.line, p.place) for p in found} >= {(5, "models[0].parameters.weigth"), (6, "models[1].model")}


def test_all_problems_are_reported_at_once(family):
    r = recipe(
        "ties", (family.ft1, {"weigth": 1}), ("/no/such", {"densty": 1}), base="/nor/this", parameters={"lamda": 2}
    )
    places = {p.place for p in problems(r) if p.severity == "error"}
    assert places >= {
        "models[0].parameters.weigth",
        "models[1].parameters.densty",
        "parameters.lamda",
        "models[1].model",
        "base_model",
    }


def test_an_unknown_method_does_not_hide_missing_models(family):
    places = {p.place for p in problems(recipe("slrp", family.base, "/no/such"))}
    assert places >= {"merge_method", "models[1].model"}


def test_a_problem_of_many_tensors_is_reported_once(family):
    (found,) = [p for p in problems(recipe("slerp", family.base, family.ft1)) if p.severity == "error"]
    assert "and 29 more" in str(found)


@pytest.mark.parametrize("name", ["t", "normalize", "lambda"])
def test_a_parameter_of_the_whole_has_no_effect_under_one_model(family, name):
    method = {"t": "slerp", "normalize": "linear", "lambda": "ties"}[name]
    r = recipe(method, (family.ft1, {name: 1}), family.ft2, base=family.base, parameters={"weight": 1})
    assert any(p.place == f"models[0].parameters.{name}" and "whole merge" in str(p) for p in problems(r))


def test_a_parameter_of_another_method_is_a_warning(family):
    p = plan(recipe("linear", family.base, family.ft1, parameters={"weight": 1, "density": 0.5}))
    assert any(x.severity == "warning" and "'density' has no effect on linear" in str(x) for x in p.problems)


def test_int8_mask_is_explained_away(family):
    p = plan(recipe("ties", family.ft1, base=family.base, parameters={"weight": 1, "int8_mask": True}))
    assert any(x.severity == "info" and "int8_mask" in str(x) for x in p.problems)


@pytest.mark.parametrize(
    ("method", "count", "said"),
    [("slerp", 1, "2 models"), ("slerp", 3, "2 models"), ("passthrough", 2, "1 model")],
)
def test_the_number_of_models(family, method, count, said):
    models = [family.base, family.ft1, family.ft2][:count]
    assert said in errors(recipe(method, *models, parameters={"t": 0.5} if method == "slerp" else {}))


def test_the_base_listed_twice(family):
    models = [(family.base, {}), (family.base, {}), (family.ft1, {"weight": 1})]
    assert "listed 2 times" in errors(recipe("ties", *models, base=family.base))


def test_models_of_different_depth(tmp_path, family):
    deeper = make_model(tmp_path / "deeper", layers=5)
    said = errors(recipe("linear", family.base, deeper, parameters={"weight": 1}))
    assert "base: 3" in said
    assert "deeper: 5" in said
    assert "slices" in said


def test_slices_of_different_length(deep_family):
    said = errors(sliced("linear", [(deep_family.base, 0, 3), (deep_family.ft1, 0, 2)], parameters={"weight": 1}))
    assert "slices[0]" in said
    assert "layer_range of the same length" in said


def test_a_range_past_the_end(deep_family):
    found = problems(sliced("passthrough", [(deep_family.base, 4, 8)]))
    assert any(
        p.place == "slices[0].sources[0].layer_range" and "6 layers" in str(p) and "[0, 6)" in str(p) for p in found
    )


def test_a_base_with_too_few_layers_for_a_slice(tmp_path, deep_family):
    shallow = make_model(tmp_path / "shallow", layers=2)
    said = errors(
        sliced("task_arithmetic", [(deep_family.ft1, 3, 5)], base_model=str(shallow), parameters={"weight": 1})
    )
    assert "shallow" in said


def test_a_base_that_cannot_be_placed_among_different_ranges(deep_family):
    pieces = [(deep_family.ft1, 0, 2), (deep_family.ft2, 2, 4)]
    said = errors(sliced("task_arithmetic", pieces, base_model=str(deep_family.base), parameters={"weight": 1}))
    assert "layer ranges differ" in said


def test_architectures_that_do_not_fit(tmp_path, family):
    gpt2 = make_model(tmp_path / "gpt2", architecture="gpt2", layers=2)
    said = errors(recipe("linear", family.base, gpt2, parameters={"weight": 1}))
    assert "LlamaForCausalLM" in said
    assert "GPT2LMHeadModel" in said


def test_architectures_with_the_same_names_are_a_warning(tmp_path, family):
    other = make_model(tmp_path / "other", config={"architectures": ["MistralForCausalLM"]})
    p = plan(recipe("linear", family.base, other, parameters={"weight": 1}))
    assert any(x.severity == "warning" and "MistralForCausalLM" in str(x) for x in p.problems)


def test_tensors_that_one_model_lacks(tmp_path, family):
    biased = make_model(tmp_path / "biased", architecture="qwen2", config={"architectures": ["LlamaForCausalLM"]})
    for models in ((family.base, biased), (biased, family.base)):
        said = errors(recipe("linear", *models, parameters={"weight": 1}))
        assert "base does not have all tensors" in said
        assert "k_proj.bias" in said
        assert "and 8 more" in said


def test_shapes_that_differ(tmp_path, family):
    wider = make_model(tmp_path / "wider", intermediate=32)
    said = errors(recipe("linear", family.base, wider, parameters={"weight": 1}))
    assert "base 24×16" in said
    assert "wider 32×16" in said


def test_adapters_that_are_not_there(family):
    assert "'some/lora'" in errors(recipe("linear", f"{family.base}+some/lora", parameters={"weight": 1}))


def test_weights_that_cannot_be_normalised_in_one_layer_only(family):
    r = recipe("linear", (family.base, {"weight": [1, -1, 1]}), (family.ft1, {"weight": 1}))
    said = errors(r)
    assert "sum to 0" in said
    assert "layers.1." in said
    assert "layers.0." not in said
