"""Whose meaning a recipe has: said in the recipe or at reading, written into it, and named where it matters."""

import pytest

from nbmerge.engine.check import check
from nbmerge.engine.planning.planner import plan
from nbmerge.errors import RecipeError
from nbmerge.recipe import Recipe

UNION = {"merge_method": "linear", "models": ["a", "b"], "parameters": {"weight": 1}, "tokenizer_source": "union"}
GRADIENT = """\
merge_method: slerp
models: [a, b]
parameters:
  t: [0, 1]
"""
ENDS = "final norm and head take the first value of a gradient"


@pytest.mark.parametrize("dialect", [None, "nbmerge", "mergekit-0.1"])
def test_the_short_form_for_a_vocabulary_means_what_the_long_one_does(dialect):
    long = {k: v for k, v in UNION.items() if k != "tokenizer_source"} | {"tokenizer": {"source": "union"}}
    assert Recipe.load(UNION, dialect) == Recipe.load(long, dialect)
    assert Recipe.load(UNION, dialect).wanted_tokenizer.rows == "method"


def test_before_mergekit_0_1_it_meant_rows_of_owners():
    r = Recipe.load(UNION, "mergekit-0.0")
    assert r.plain()["tokenizer"] == {"source": "union", "rows": "owners"}
    assert r != Recipe.load(UNION)
    assert Recipe.load(r.to_yaml()) == r


@pytest.mark.parametrize("dialect", ["mergekit-0.0", "mergekit-0.1"])
def test_a_recipe_can_name_its_dialect(dialect):
    text = f"dialect: {dialect}\ntokenizer_source: union\n{GRADIENT}"
    r = Recipe.load(text)
    assert r == Recipe.load(f"tokenizer_source: union\n{GRADIENT}", dialect)
    assert (r.dialect, Recipe.load(r.to_yaml()).dialect) == (dialect, "nbmerge")
    assert "dialect" not in r.plain()


def test_a_dialect_argument_overrides_that_of_the_recipe():
    r = Recipe.load(f"dialect: mergekit-0.1\n{GRADIENT}", "nbmerge")
    assert r == Recipe.load(GRADIENT)


def test_an_unknown_dialect_in_a_recipe_is_refused_with_its_line():
    with pytest.raises(RecipeError, match=r"line 5, dialect: unknown dialect 'mergekit-0.2'.*mergekit-0.1"):
        Recipe.load(f"{GRADIENT}dialect: mergekit-0.2\n")


def test_documents_have_dialects_of_their_own():
    inner = f"name: one\ndialect: mergekit-0.1\n{GRADIENT}"
    r = Recipe.load(f"{inner}---\nmerge_method: linear\nmodels: [one, c]\nparameters: {{weight: 1}}\n")
    assert r.merges[0].parameters == Recipe.load(GRADIENT, "mergekit-0.1").parameters
    assert r.dialect == "nbmerge"


def test_reading_reports_where_mergekit_gives_another_model():
    (found,) = Recipe.load(GRADIENT).notes
    assert found.severity == "info"
    assert ENDS in found.what
    assert "read the recipe in the dialect mergekit-0.1" in found.how
    karcher = {"merge_method": "karcher", "base_model": "c", "models": ["a", "b"]}
    assert any("the base model is an additional input of karcher" in n.what for n in Recipe.load(karcher).notes)


@pytest.mark.parametrize("dialect", ["nbmerge", "mergekit-0.0"])
def test_with_a_named_dialect_no_other_is_suggested(dialect):
    assert not any(ENDS in n.what for n in Recipe.load(GRADIENT, dialect).notes)


def test_dialects_that_agree_are_not_mentioned():
    assert Recipe.load(Recipe.load(GRADIENT).to_yaml()).notes == ()
    assert Recipe.load(GRADIENT.replace("[0, 1]", "0.5")).notes == ()


def test_an_error_that_depends_on_the_dialect_names_it(family):
    data = {
        "merge_method": "task_arithmetic", "base_model": str(family.base), "tokenizer_source": "union",
        "models": [{"model": str(family.ft1), "parameters": {"weight": 1}}],
    }  # fmt: skip
    assert check(data).ok
    report = check(data, dialect="mergekit-0.0")
    assert "what tokenizer_source means in the dialect mergekit-0.0, not in nbmerge or mergekit-0.1" in str(report)
    assert plan(Recipe.load(data, "mergekit-0.1")).tensors
