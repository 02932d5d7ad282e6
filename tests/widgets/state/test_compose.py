import pytest

from nbmerge.methods import methods
from nbmerge.widgets.state.compose import compose_recipe, list_inputs, list_unused

BASE, A, B, C = "base", "a", "b", "c"


@pytest.mark.parametrize(
    ("method", "models", "listed"),
    [
        ("task_arithmetic", [A, B], [A, B]),
        ("slerp", [A, B], [A, B]),
        ("slerp", [A, B, C], [A, B]),
        ("slerp", [A], [BASE, A]),
        ("linear", [A, B], [A, B]),
        ("linear", [A], [A]),
        ("passthrough", [A, B], [A]),
    ],
)
def test_which_models_a_method_lists(method, models, listed):
    assert list_inputs(methods()[method], BASE, models) == listed


def test_unused_models_are_remembered():
    assert list_unused(methods()["slerp"], BASE, [A, B, C]) == [BASE, C]
    assert list_unused(methods()["ties"], BASE, [A, B]) == []


@pytest.mark.parametrize("method", list(methods()))
def test_every_method_gets_what_it_requires(method):
    recipe = compose_recipe(methods()[method], BASE, [A, B])
    assert recipe.merge_method == method
    for parameter in methods()[method].parameters:
        if repr(parameter.default) == "required":
            given = recipe.parameters if parameter.scope == "global" else recipe.models[0].parameters
            assert parameter.name in given


def test_values_are_taken_over_where_the_method_has_them():
    before = (
        compose_recipe(methods()["ties"], BASE, [A, B])
        .with_parameter("weight", [0, 1], "a")
        .with_parameter("density", 0.3, "b")
    )
    after = compose_recipe(methods()["task_arithmetic"], BASE, [A, B], [before])
    assert after.models[0].parameters["weight"].plain() == [0, 1]
    assert "density" not in after.models[1].parameters
    again = compose_recipe(methods()["dare_ties"], BASE, [A, B], [after, before])
    assert again.models[1].parameters["density"].plain() == 0.3


def test_values_that_the_other_method_refuses_are_not_taken_over():
    before = compose_recipe(methods()["ties"], BASE, [A, B]).with_parameter("normalize", "l1")
    assert "normalize" not in compose_recipe(methods()["linear"], BASE, [A, B], [before]).parameters
