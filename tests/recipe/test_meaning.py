"""Equal meaning is an equal recipe: fingerprint, hash, equality, and the way through YAML."""

import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nbmerge.recipe import Recipe

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


# --- equality, hash, fingerprint ---

SAME = [
    dict(reversed(PLAIN.items())),
    PLAIN | {"dtype": "torch.bfloat16"},
    PLAIN | {"random_seed": 0},
    PLAIN | {"out_dtype": None},
    PLAIN | {"out_dtype": "bfloat16"},
    PLAIN | {"dtype": "float32", "out_dtype": "bfloat16"},
    PLAIN | {"parameters": {}},
    PLAIN | {"parameters": {"normalize": False, "lambda": 1}},
    PLAIN | {"parameters": {"normalize": [False]}},
    PLAIN | {"base_model": {"path": "org/base"}},
    PLAIN | {"models": [PLAIN["models"][0], {"model": "org/two", "parameters": {
        "weight": [{"filter": "mlp", "value": "0.25"}, {"value": "1e-4"}, {"filter": "attn", "value": 5}]}}]},
    PLAIN | {"models": [{"parameters": {"weight": [0.0, "0.5", 1.0]}, "model": "org/one"}, PLAIN["models"][1]]},
]  # fmt: skip


@pytest.mark.parametrize("data", SAME)
def test_equal_meaning_has_an_equal_fingerprint(data):
    other = Recipe.of(data)
    assert other.fingerprint == recipe().fingerprint
    assert other == recipe()
    assert len({other, recipe()}) == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"merge_method": "ties"},
        {"base_model": "org/other"},
        {"base_model": "org/base@v2"},
        {"models": PLAIN["models"][::-1]},
        {"models": PLAIN["models"][:1]},
        {"parameters": {"normalize": True}},
        {"parameters": {"normalize": False, "lambda": 1.5}},
        {"parameters": {"normalize": False, "lambda": [{"filter": "mlp", "value": 1}, {"value": 0.5}]}},
        {"parameters": {"normalize": False, "method": "linear"}},
        {"dtype": "float16"},
        {"out_dtype": "float32"},
        {"random_seed": 1},
        {"embedding_source": "org/one"},
        {"lm_head_source": "org/one"},
    ],
)
def test_different_meaning_has_a_different_fingerprint(changes):
    other = Recipe.of(PLAIN | changes)
    assert other.fingerprint != recipe().fingerprint
    assert other != recipe()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ([{"filter": "model.norm", "value": 0.5}, {"filter": "norm.weight", "value": 0.9}, {"value": 0.5}],
         [{"filter": "norm.weight", "value": 0.9}, {"value": 0.5}]),
        ([{"filter": "norm", "value": 1}, {"value": [0, 1]}], [{"value": [0, 1]}]),
        ([{"filter": "lm_head", "value": 0}, {"value": [0, 1]}], [{"value": [0, 1]}]),
    ],
)  # fmt: skip
def test_rules_about_the_ends_that_change_something_count(one, other):
    assert recipe(parameters={"lambda": one}) != recipe(parameters={"lambda": other})


def test_a_recipe_is_unequal_to_other_types():
    assert recipe() != PLAIN
    assert recipe() != "recipe"


@pytest.mark.slow
def test_the_fingerprint_is_the_same_in_another_process():
    code = f"from nbmerge.recipe import Recipe; print(Recipe.of({PLAIN!r}).fingerprint)"
    env = {"PYTHONHASHSEED": "123", "HOME": "/tmp"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env, check=True)
    assert done.stdout.strip() == recipe().fingerprint
    assert len(recipe().fingerprint) == 64


# --- YAML and back ---

NAMES = st.sampled_from(
    ["org/one", "/a folder/two", "x+y@z", "yes", "null", "1e5", "0x10", "ünïcode", "a: b", "#c", "- d", "'q'", '"']
)
WORDS = st.sampled_from(
    ["keep_other", "l1", "true", "null", "yes", "~", "a: b", "[x]", "{y}", "#", "*", "&z", "!t", "|", ">", "%", "@"]
)
FILTERS = st.sampled_from(
    ["mlp", "self_attn", "model.norm", "lm_head", "norm", "layers.1.", "down_proj", "yes", "1", "null"]
)
NUMBERS = st.integers(-3, 3) | st.floats(-10, 10) | st.sampled_from([1e-4, 1e300, 0.1 + 0.2, 5e-324])
SCALARS = NUMBERS | st.booleans() | WORDS
GRADIENTS = st.lists(NUMBERS, min_size=1, max_size=5)
RULES = st.lists(st.fixed_dictionaries({"filter": FILTERS, "value": SCALARS | GRADIENTS}), min_size=1, max_size=3)
SETTINGS = (
    SCALARS | GRADIENTS | RULES | RULES.flatmap(lambda r: (SCALARS | GRADIENTS).map(lambda v: [*r, {"value": v}]))
)
PARAMETERS = st.dictionaries(st.sampled_from(["weight", "t", "density", "yes", "no such"]), SETTINGS, max_size=2)
MODELS = NAMES.map(lambda path: {"path": path})
SOURCES = st.builds(lambda m, p: {"model": m, "parameters": p}, MODELS, PARAMETERS)
SLICES = st.builds(
    lambda sources, p: {"sources": [s | {"layer_range": [i, i + 2]} for i, s in enumerate(sources)], "parameters": p},
    st.lists(SOURCES, min_size=1, max_size=2), PARAMETERS,
)  # fmt: skip
RECIPES = st.builds(
    lambda form, p, extra: Recipe.of({"merge_method": "linear", "parameters": p} | form | extra),
    st.lists(SOURCES, min_size=1, max_size=3).map(lambda m: {"models": m})
    | st.lists(SLICES, min_size=1, max_size=2).map(lambda s: {"slices": s}),
    PARAMETERS,
    st.fixed_dictionaries({}, optional={
        "base_model": MODELS, "dtype": st.sampled_from(["float16", "bf16"]), "out_dtype": st.just("float32"),
        "random_seed": st.integers(0, 2**64 - 1), "embedding_source": MODELS, "config_source": MODELS,
    }),
)  # fmt: skip


@settings(max_examples=25, deadline=None, derandomize=True)
@given(RECIPES)
@pytest.mark.slow
def test_yaml_and_back_is_the_same_recipe(r):
    back = Recipe.load(r.to_yaml())
    assert back == r
    assert back.fingerprint == r.fingerprint
    assert back.to_yaml() == r.to_yaml()


@settings(max_examples=15, deadline=None, derandomize=True)
@given(RECIPES)
def test_plain_and_back_is_the_same_recipe(r):
    assert Recipe.of(r.plain()) == r


def test_yaml_is_as_people_write_it():
    text = recipe(parameters={"normalize": False, "lambda": 1}).to_yaml()
    assert text.startswith("merge_method: task_arithmetic\nbase_model: org/base\n")
    assert "normalize: false" in text
    assert "lambda: 1\n" in text
    assert "[0, 0.5, 1]" in text  # a gradient on one line
