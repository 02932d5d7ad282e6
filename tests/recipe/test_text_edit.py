"""A recipe's text stays as a person wrote it: only what differs is replaced."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nbmerge.recipe import Recipe, edit_text
from tests.recipe.test_properties import RECIPES

TEXT = """\
# my merge
merge_method:   slerp   # the arc
base_model: "org/a"
models: [org/a,   'org/b']   # two

parameters:
    t: [0, 0.50, 1]  # ramp
    # about the end
dtype: bfloat16

# the end
"""
BLOCK = """\
merge_method: linear
models:
- model: org/a   # first
  parameters:
    weight: &w [0, 0.5, 1]   # shared
- org/b          # bare
- model: org/c
  parameters:
    weight: *w
"""


def changed_lines(text, change):
    """Lines that are gone, and lines that are new; all others must be in their places."""
    recipe = change(Recipe.load(text))
    edited = edit_text(text, recipe)
    assert Recipe.load(edited).plain() == recipe.plain()
    before, after = text.split("\n"), edited.split("\n")
    return [line for line in before if line not in after], [line for line in after if line not in before]


def with_t(value):
    return lambda r: r.with_parameter("t", value)


RAMP = "    t: [0, 0.50, 1]  # ramp"


@pytest.mark.parametrize(
    ("text", "change", "gone", "new"),
    [
        (TEXT, with_t([0, 0.5, 1]), [], []),
        (TEXT, with_t([0, 0.7, 1]), [RAMP], ["    t: [0, 0.7, 1]  # ramp"]),
        (TEXT, with_t([0.2, 0.5]), [RAMP], ["    t: [0.2, 0.5]  # ramp"]),
        (TEXT, with_t(0.3), [RAMP], ["    t: 0.3  # ramp"]),
        (TEXT, with_t({0: 0, 12: 0.5}), [RAMP], ["    t: {0: 0, 12: 0.5}  # ramp"]),
        (
            TEXT,
            with_t([{"filter": "layers.5.", "value": 0.9}, {"value": [0, 0.5, 1]}]),
            [RAMP],
            ["    t:  # ramp", "      - filter: layers.5.", "        value: 0.9", "      - value: [0, 0.5, 1]"],
        ),
        (TEXT, lambda r: r.with_parameter("zero_tensors", "formula"), [], ["    zero_tensors: formula"]),
        (TEXT, lambda r: r.replace(dtype=None, out_dtype="float16"), ["dtype: bfloat16"], ["out_dtype: float16"]),
        (TEXT, lambda r: r.replace(base_model="org/b"), ['base_model: "org/a"'], ['base_model: "org/b"']),
        (
            TEXT,
            lambda r: r.replace(merge_method="linear", parameters={}, base_model=None),
            [TEXT.split("\n")[1], 'base_model: "org/a"', "parameters:", RAMP],
            ["merge_method:   linear   # the arc"],
        ),
        (
            BLOCK,
            lambda r: r.with_parameter("weight", 0.6, "org/a"),
            ["    weight: &w [0, 0.5, 1]   # shared", "    weight: *w"],
            ["    weight: &w 0.6   # shared", "    weight: [0, 0.5, 1]"],
        ),
        (BLOCK, lambda r: r.with_parameter("weight", 0.6, "org/c"), ["    weight: *w"], ["    weight: 0.6"]),
        (
            BLOCK,
            lambda r: r.with_parameter("weight", 0.6, "org/b"),
            ["- org/b          # bare"],
            ["- model: org/b          # bare", "    weight: 0.6"],
        ),
        (BLOCK, lambda r: r.replace(models=[*r.plain()["models"], "org/d"]), [], ["- model: org/d"]),
        (
            BLOCK,
            lambda r: r.replace(models=r.plain()["models"][1:]),
            ["- model: org/a   # first", "    weight: &w [0, 0.5, 1]   # shared", "    weight: *w"],
            ["    weight: [0, 0.5, 1]"],
        ),
    ],
)
def test_only_what_differs_is_replaced(text, change, gone, new):
    assert changed_lines(text, change) == (gone, new)


def test_a_rule_that_goes_leaves_the_comment_of_its_parameter():
    rules = TEXT.replace(RAMP, "    t:  # ramp\n      - {filter: mlp, value: 0.2}\n      - value: 0.5  # rest")
    gone, new = changed_lines(rules, with_t([0, 1]))
    assert new == ["    t: [0, 1]  # ramp  # rest"]
    gone, new = changed_lines(rules, with_t([{"filter": "mlp", "value": 0.3}, {"value": 0.5}]))
    assert (gone, new) == (["      - {filter: mlp, value: 0.2}"], ["      - {filter: mlp, value: 0.3}"])


def test_a_block_that_is_replaced_leaves_the_comment_of_its_key():
    block = TEXT.replace(RAMP, "    t:  # ramp\n      0: 0.2  # start\n      31: 0.8")
    rules = [{"filter": "mlp", "value": 0.3}, {"value": 0.5}]
    gone, new = changed_lines(block, with_t(rules))
    assert gone == ["      0: 0.2  # start", "      31: 0.8"]
    assert new == ["      - filter: mlp", "        value: 0.3", "      - value: 0.5"]


def test_there_and_back_is_the_same_text():
    recipe = Recipe.load(BLOCK)
    other = edit_text(BLOCK, recipe.with_parameter("weight", 0.7, "org/c"))
    assert Recipe.load(edit_text(other, recipe)).plain() == recipe.plain()
    text = TEXT.replace("0.50", "0.5")
    assert edit_text(edit_text(text, Recipe.load(TEXT).with_parameter("t", [0, 0.7, 1])), Recipe.load(TEXT)) == text


def test_other_line_ends_stay():
    text = TEXT.replace("\n", "\r\n")
    edited = edit_text(text, Recipe.load(text).with_parameter("zero_tensors", "formula"))
    assert "\n" not in edited.replace("\r\n", "")
    assert edited == TEXT.replace("# ramp\n", "# ramp\n    zero_tensors: formula\n").replace("\n", "\r\n")


def test_several_documents():
    text = f"name: inner  # one\n{TEXT}---\nmerge_method: linear\nmodels: [inner, org/c]  # both\n"
    recipe = Recipe.load(text)
    inner = recipe.merges[0].with_parameter("t", 0.4)
    changed = recipe.model_copy(update={"merges": (inner,)})
    assert edit_text(text, changed) == text.replace("[0, 0.50, 1]", "0.4")


def test_a_text_that_cannot_be_edited_is_replaced():
    recipe = Recipe.load("merge_method: slerp\nmodels: [a/b, c/d]\nparameters: {t: 0.5}\n")
    assert edit_text("python3 main.py --some command", recipe) == recipe.to_yaml()
    assert edit_text("dialect: mergekit-0.1\n" + TEXT, recipe) == recipe.to_yaml()


def commented(text):
    return "".join(f"# line {i}\n{line}\n" for i, line in enumerate(text.rstrip("\n").split("\n")))


@settings(max_examples=8, deadline=None)
@given(RECIPES, RECIPES)
@pytest.mark.slow
def test_any_text_becomes_any_recipe(one, other):
    text = commented(one.to_yaml())
    assert Recipe.load(edit_text(text, other)) == other
    assert edit_text(text, Recipe.load(text)) == text


NUMBER = st.integers(1, 99).map(lambda i: i / 100)


@settings(max_examples=8, deadline=None)
@given(RECIPES, NUMBER | st.lists(NUMBER, min_size=2, max_size=4), st.booleans())
def test_one_parameter_changes_and_every_comment_stays(recipe, value, whole):
    text = commented(recipe.to_yaml())
    before = Recipe.load(text)
    model = None if whole else before.pieces[0].sources[0].model
    after = before.with_parameter("density", value, model)
    edited = edit_text(text, after)
    assert Recipe.load(edited).plain() == after.plain()
    rules = [
        s for p in before.pieces for s in p.sources if s.parameters.get("density")
    ] or "density" in before.parameters
    if not rules:
        assert [line for line in text.split("\n") if "# line" in line and line not in edited] == []
