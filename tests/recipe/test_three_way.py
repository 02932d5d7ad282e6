"""Two changes of one recipe are joined, or refused with both values."""

import pytest

from nbmerge.errors import RecipeError
from nbmerge.recipe import Recipe, join_changes

BASE = {
    "merge_method": "linear",
    "models": [{"model": "org/a", "parameters": {"weight": [0, 1]}}, {"model": "org/b", "parameters": {"weight": 0.5}}],
    "parameters": {"normalize": True},
}


@pytest.fixture
def base():
    return Recipe.of(BASE)


def test_changes_of_different_values_are_joined(base):
    one = base.with_parameter("weight", [0, 0.5], "a").replace(dtype="float16")
    other = base.with_parameter("weight", 0.7, "b").with_parameter("normalize", None)
    joined = join_changes(base, one, other)
    assert joined.plain() == {
        "merge_method": "linear",
        "models": [
            {"model": "org/a", "parameters": {"weight": [0, 0.5]}},
            {"model": "org/b", "parameters": {"weight": 0.7}},
        ],
        "dtype": "float16",
    }


def test_a_model_that_is_added_and_a_value_that_moves(base):
    one = base.replace(models=[*base.plain()["models"][::-1], "org/c"])
    other = base.with_parameter("weight", 0.7, "b")
    assert [m.model.name for m in join_changes(base, one, other).models] == ["b", "a", "c"]
    assert join_changes(base, other, one).models[0].parameters["weight"].plain() == 0.7


def test_the_same_change_on_both_sides_is_no_conflict(base):
    changed = base.with_parameter("weight", 0.7, "b")
    assert join_changes(base, changed, changed.replace(dtype="float16")) == changed.replace(dtype="float16")


@pytest.mark.parametrize(
    ("one", "other", "what"),
    [
        (lambda r: r.replace(dtype="float16"), lambda r: r.replace(dtype="bfloat16"),
         "dtype is float16 in the text and bfloat16 elsewhere; it was not set."),
        (lambda r: r.with_parameter("weight", [0, 0.2], "a"), lambda r: r.with_parameter("weight", 0.3, "a"),
         "models[0].parameters.weight is [0, 0.2] in the text and 0.3 elsewhere; it was [0, 1]."),
        (lambda r: r.replace(models=r.plain()["models"][:1]), lambda r: r.with_parameter("weight", 0.3, "b"),
         "models[1] is not set in the text and {model: org/b, parameters: {weight: 0.3}} elsewhere; "
         "it was {model: org/b, parameters: {weight: 0.5}}."),
    ],
)  # fmt: skip
def test_a_conflict_is_refused_with_both_values(base, one, other, what):
    with pytest.raises(RecipeError) as error:
        join_changes(base, one(base), other(base))
    assert [p.what for p in error.value.problems] == [what]
