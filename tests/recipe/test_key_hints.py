"""A key in the wrong place is refused with the place that it belongs to."""

import pytest

from nbmerge.engine.planning.planner import examine
from nbmerge.errors import RecipeError
from nbmerge.methods import methods
from nbmerge.recipe import Recipe


def refusal(change: dict, **source) -> str:
    data = {
        "merge_method": "linear",
        "models": [{"model": "org/a", **source}, "org/b"],
        "parameters": {"weight": 1},
    }
    with pytest.raises(RecipeError) as caught:
        Recipe.load(data | change)
    return str(caught.value)


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ({"revision": "v1.0"}, "write 'org/a@v1.0'"),
        ({"lora": "org/adapter"}, "write 'org/a+org/adapter'"),
        ({"density": 0.5}, "under this model's 'parameters'"),
        ({"weight": 0.5}, "under this model's 'parameters'"),
        ({"select_topk": 0.1}, "under the recipe's own 'parameters'"),
        ({"dtype": "bfloat16"}, "at the top level of the recipe"),
        ({"tokenizer_source": "union"}, "at the top level of the recipe"),
        ({"int8_mask": True}, "has no effect"),
    ],
)
def test_a_misplaced_key_of_a_model_gets_a_hint(source, said):
    assert said in refusal({}, **source)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"select_topk": 0.1}, "under the recipe's own 'parameters'"),
        ({"normalize": False}, "under the recipe's own 'parameters'"),
        ({"density": 0.5}, "'parameters' of each model, or the recipe's own 'parameters'"),
        ({"layer_range": [0, 2]}, "next to a model in the sources of a slice"),
        ({"pad_to_multiple_of": 8}, "under tokenizer"),
        ({"base_model": "org/a", "revision": "main"}, "write 'org/a@main'"),
        ({"tokenizer": {"source": "union", "dtype": "float16"}}, "at the top level of the recipe"),
    ],
)
def test_a_misplaced_top_level_key_is_told_its_place(change, said):
    assert said in refusal(change)


@pytest.mark.parametrize("key", ["merge_method", "dtype"])
def test_a_top_level_key_in_a_slice_gets_a_hint(key):
    piece = {"sources": [{"model": "org/a", "layer_range": [0, 2]}], key: "slerp"}
    with pytest.raises(RecipeError, match="at the top level of the recipe"):
        Recipe.load({"merge_method": "passthrough", "slices": [piece]})


def test_every_misplaced_parameter_gets_a_hint():
    for name in {p.name for m in methods().values() for p in m.parameters}:
        assert "'parameters'" in refusal({name: 1})


def test_under_parameters(family):
    recipe = Recipe.of({
        "merge_method": "linear", "models": [str(family.base)],
        "parameters": {"weight": 1, "dtype": "bfloat16", "layer_range": [0, 2]},
    })  # fmt: skip
    text = "\n".join(map(str, examine(recipe)[1]))
    assert "parameters.dtype: 'dtype' is not a parameter of a merge method. 'dtype' belongs at the top level" in text
    assert "'layer_range' belongs next to a model in the sources of a slice, not under parameters." in text


def test_a_method_of_mixtures_needs_experts(family):
    _, problems = examine(Recipe.of({"merge_method": "moe", "models": [str(family.base)]}))
    assert "has 'experts' instead of models" in str(problems[0])
