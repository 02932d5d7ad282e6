"""What holds for every recipe, whatever is in it."""

from contextlib import suppress

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from nbmerge.errors import RecipeError
from nbmerge.methods import methods
from nbmerge.recipe import Recipe
from nbmerge.recipe.parts import DTYPES
from nbmerge.recipe.readers.command import find_commands, parse_options
from nbmerge.recipe.writers.mergekit import METHODS

MODELS = st.sampled_from(["org/one", "org/two", "/a folder/three", "x+y@z", "yes", "1e5", "ünï: code"]).map(
    lambda p: {"path": p}
)
FILTERS = st.sampled_from(["mlp", "self_attn", "layernorm", "layers.1.", "lm_head", "model.norm", "*", "null", "it's"])
DTYPE = st.sampled_from(DTYPES)
NUMBERS = st.floats(-2, 2, allow_nan=False) | st.integers(-2, 2) | st.sampled_from([1e-4, 0.1 + 0.2])
LAYER = st.sampled_from([0, 1, 2.5, "3-4", 6, "7-9", 31])
VALUES = NUMBERS | st.lists(NUMBERS, min_size=1, max_size=4) | st.dictionaries(LAYER, NUMBERS, min_size=1, max_size=4)
RULES = st.lists(st.fixed_dictionaries({"filter": FILTERS, "value": VALUES}), min_size=1, max_size=3)
SETTINGS = VALUES | RULES | st.tuples(RULES, VALUES).map(lambda rv: [*rv[0], {"value": rv[1]}])
PARAMETERS = st.dictionaries(st.sampled_from(["weight", "density", "t"]), SETTINGS, max_size=2)
SOURCES = st.fixed_dictionaries({"model": MODELS, "parameters": PARAMETERS})
LAYERS = st.tuples(st.integers(0, 6), st.integers(1, 4)).map(lambda x: [x[0], x[0] + x[1]])
SLICES = st.fixed_dictionaries(
    {"sources": st.lists(st.fixed_dictionaries({"model": MODELS, "layer_range": LAYERS, "parameters": PARAMETERS}),
                         min_size=1, max_size=3)},
    optional={"parameters": PARAMETERS, "base_model": MODELS},
)  # fmt: skip
SHAPES = st.lists(SOURCES, min_size=1, max_size=3).map(lambda m: {"models": m}) | st.lists(
    SLICES, min_size=1, max_size=3
).map(lambda s: {"slices": s})
EXTRAS = st.fixed_dictionaries({}, optional={
    "base_model": MODELS, "parameters": PARAMETERS, "dtype": DTYPE, "out_dtype": DTYPE,
    "dtype_overrides": st.lists(st.fixed_dictionaries({"filter": FILTERS, "dtype": DTYPE}), max_size=2),
    "embedding_source": MODELS, "lm_head_source": MODELS, "config_source": MODELS,
    "vocabulary": st.sampled_from(["refuse", "edge-gradient", "zeros", "copy", "mean", "truncate"]),
    "random_seed": st.integers(0, 2**64 - 1), "name": st.sampled_from(["a", "step 1", "no"]),
})  # fmt: skip
RECIPES = st.builds(
    lambda method, shape, extra: Recipe.of({"merge_method": method} | shape | extra),
    st.sampled_from(["linear", "slerp", "ties", "passthrough", "karcher", "nuslerp", "iso_c", "none such"]),
    SHAPES, EXTRAS,
)  # fmt: skip

modest = settings(max_examples=10, deadline=None)  # each run draws others


@modest
@given(RECIPES)
def test_yaml_and_back_keeps_the_meaning(recipe):
    back = Recipe.load(recipe.to_yaml())
    assert back == recipe
    assert back.fingerprint == recipe.fingerprint


@modest
@given(RECIPES)
def test_python_and_back_keeps_the_meaning(recipe):
    space: dict = {}
    exec(recipe.to_python(), space)
    assert space["recipe"] == recipe
    assert Recipe.load(recipe.to_python()) == recipe


@settings(max_examples=4, deadline=None)  # each of them draws several recipes
@given(st.lists(RECIPES, min_size=2, max_size=3))
def test_a_chain_of_recipes_and_back(recipes):
    texts = [
        r.replace(name=f"step{i}", **({"base_model": f"step{i - 1}"} if i else {})).to_yaml()
        for i, r in enumerate(recipes)
    ]
    chain = Recipe.load("---\n".join(texts))
    assert Recipe.load(chain.to_yaml()) == chain


@modest
@given(RECIPES)
@pytest.mark.slow
def test_an_export_is_a_recipe_that_mergekit_can_read(recipe):
    export = recipe.to_mergekit()
    data = yaml.safe_load(export.text)
    known = {
        "merge_method",
        "base_model",
        "models",
        "slices",
        "parameters",
        "dtype",
        "out_dtype",
        "tokenizer",
        "chat_template",
    }
    assert data.keys() <= known
    back = Recipe.load(export.text)
    assert back.merge_method == recipe.merge_method
    assert export.same is not any(p.severity == "error" for p in export.lost)
    assert recipe.merge_method in METHODS or not export.same


@modest
@given(RECIPES)
def test_every_recipe_has_a_description(recipe):
    words = recipe.describe()
    assert words.startswith(
        methods()[recipe.merge_method].title if recipe.merge_method in methods() else recipe.merge_method
    )


@modest
@given(RECIPES, st.sampled_from(["mergekit-0.0", "mergekit-0.1"]))
def test_reading_in_a_dialect_twice_changes_nothing_more(recipe, dialect):
    once = Recipe.load(recipe.plain(), dialect)
    assert Recipe.load(once.plain(), dialect) == once


@modest
@given(st.lists(st.text(alphabet="abc\\ '\"-=[]#;&|$`^\n", max_size=8), max_size=12))
def test_any_words_are_some_commands(words):
    for command in find_commands(" ".join(words)):
        assert command.program
        with suppress(RecipeError):
            parse_options(command, {"merge": "many", "cuda": "flag"})


@modest
@given(st.text(max_size=300))
@pytest.mark.slow
def test_any_text_is_a_recipe_or_an_error(text):
    with suppress(RecipeError):
        assert isinstance(Recipe.load(text + "\n"), Recipe)


def test_a_rule_for_the_head_behind_another_comes_back_the_same():
    rules = [{"filter": "mlp", "value": 0}, {"filter": "lm_head", "value": [0, 1]}]
    recipe = Recipe.of({"merge_method": "linear", "models": [{"model": "a", "parameters": {"weight": rules}}]})
    assert Recipe.load(recipe.to_yaml()) == recipe
    other = [{"filter": "head", "value": 0}, {"filter": "lm_head", "value": 1}]  # the first decides for the head, too
    assert recipe.with_parameter("weight", other, "a") != recipe.with_parameter("weight", other[::-1], "a")
