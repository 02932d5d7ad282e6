"""What a search varies: values are written into recipes, and read from them."""

import pytest

from nbmerge.errors import ArgumentError
from nbmerge.optimisation import Choice, Range, Space, make_space
from nbmerge.recipe import Recipe

RULES = [{"filter": "lm_head", "value": 0.2}, {"filter": "mlp", "value": [0, 1]}, {"value": [0.1, 0.9]}]


@pytest.fixture
def ties():
    models = [{"model": "a", "parameters": {"weight": RULES}}, {"model": "b", "parameters": {"weight": 0.4}}]
    return Recipe.of({"merge_method": "ties", "base_model": "c", "models": models, "parameters": {"density": 1.6}})


def test_the_default_space_is_what_the_recipe_sets(ties):
    space = make_space(ties, knots=3, ranges={"weight": (0, 1.5)})
    assert [(p.title, p.knots, p.low, p.high) for p in space.parts] == [
        ("weight[a] lm_head", 1, 0, 1.5),
        ("weight[a] mlp", 3, 0, 1.5),
        ("weight[a]", 3, 0, 1.5),
        ("weight[b]", 3, 0, 1.5),
        ("density", 3, 0, 1.6),  # extended to the present value
    ]
    start = space.read(ties)
    assert [start[n] for n in space.names] == [0.2, 0, 0.5, 1, 0.1, 0.5, 0.9, 0.4, 0.4, 0.4, 1.6, 1.6, 1.6]
    assert space.apply(ties, start).models[0].parameters["weight"].plain()[1:] == [
        {"filter": "mlp", "value": [0, 0.5, 1]}, {"value": [0.1, 0.5, 0.9]},
    ]  # fmt: skip


def test_without_a_number_those_of_the_method_are_varied():
    space = make_space(Recipe.of({"merge_method": "task_arithmetic", "base_model": "c", "models": ["a", "c"]}), knots=1)
    assert space.names == ("weight[a]",)
    with pytest.raises(ArgumentError, match="nothing to search"):
        make_space(Recipe.of({"merge_method": "model_stock", "base_model": "c", "models": ["a", "b"]}))


def test_values_keep_other_rules(ties):
    space = Space((Range("weight", "a", 0, 1, knots=2, filter="mlp"), Range("weight", "b", layers=("0-3", "4-7"))))
    changed = space.apply(ties, dict(zip(space.names, (0.3, 0.4, 0.5, 0.6), strict=True)))
    assert changed.models[0].parameters["weight"].plain() == [
        {"filter": "lm_head", "value": 0.2}, {"filter": "mlp", "value": [0.3, 0.4]}, {"value": [0.1, 0.9]},
    ]  # fmt: skip
    assert changed.models[1].parameters["weight"].plain() == {"0-3": 0.5, "4-7": 0.6}
    assert list(space.read(changed).values()) == [0.3, 0.4, 0.5, 0.6]


def test_choices_and_logarithms(ties):
    space = Space((Choice("merge_method", ("ties", "dare_ties")), Range("density", None, 0.01, 1, log=True)))
    assert space.read(ties) == {"merge_method": "ties", "density": 1}
    changed = space.apply(ties, {"merge_method": "dare_ties", "density": 0.1})
    assert (changed.merge_method, changed.parameters["density"].plain()) == ("dare_ties", 0.1)
    density = space.parts[1]
    assert density.scale(0.5) == 0.1
    assert density.share(0.1) == pytest.approx(0.5)


@pytest.mark.parametrize("wrong", [
    lambda: Range("weight", low=1, high=0), lambda: Range("weight", log=True), lambda: Range("weight", knots=0),
    lambda: Choice("merge_method", ("ties", "no such method")), lambda: Choice("normalize", (True,)),
    lambda: Space((Range("t"), Range("t"))),
])  # fmt: skip
def test_impossible_parts_are_refused(wrong):
    with pytest.raises(ArgumentError):
        wrong()
