"""Edits of the stack give the layers that they name, with the values that these had."""

import pytest

from nbmerge.curves import stack
from nbmerge.engine.planning.planner import plan as make_plan
from nbmerge.errors import RecipeError
from nbmerge.recipe import ModelRef, Recipe


def passthrough(family, *ranges):
    slices = [{"sources": [{"model": str(getattr(family, m)), "layer_range": [a, b]}]} for m, a, b in ranges]
    return Recipe.of({"merge_method": "passthrough", "slices": slices})


def seen(recipe):
    plan = make_plan(recipe)
    bands = stack.read_stack(recipe, plan.piece_depths)
    return [(s.model.name, s.first, s.end) for band in bands for s in band.sources]


def depths(recipe):
    return make_plan(recipe).piece_depths


@pytest.fixture
def stacked(deep_family):
    return passthrough(deep_family, ("ft1", 0, 4), ("ft2", 2, 6))


def test_bands_lie_behind_each_other(stacked):
    bands = stack.read_stack(stacked, depths(stacked))
    assert [(b.start, b.depth) for b in bands] == [(0, 4), (4, 4)]


def test_ranges_are_moved_repeated_removed_and_resized(stacked):
    d = depths(stacked)
    assert seen(stack.move(stacked, d, 0, 1)) == [("ft2", 2, 6), ("ft1", 0, 4)]
    assert seen(stack.repeat(stacked, d, 1)) == [("ft1", 0, 4), ("ft2", 2, 6), ("ft2", 2, 6)]
    assert seen(stack.remove(stacked, d, 0)) == [("ft2", 2, 6)]
    assert seen(stack.set_range(stacked, d, 0, 1, 6)) == [("ft1", 1, 6), ("ft2", 2, 6)]


def test_a_repeated_range_is_changed_alone(stacked):
    twice = stack.repeat(stacked, depths(stacked), 0)
    assert seen(stack.set_range(twice, depths(twice), 1, 0, 2)) == [("ft1", 0, 4), ("ft1", 0, 2), ("ft2", 2, 6)]


def test_layers_of_another_model_are_inserted(stacked, deep_family):
    layers = stack.Layers(ModelRef.of(str(deep_family.base)), 1, 3)
    assert seen(stack.insert(stacked, depths(stacked), 1, layers)) == [("ft1", 0, 4), ("base", 1, 3), ("ft2", 2, 6)]
    assert seen(stack.insert(stacked, depths(stacked), 2, layers))[-1] == ("base", 1, 3)
    other = stack.set_model(stacked, depths(stacked), 0, str(deep_family.base))
    assert seen(other) == [("base", 0, 4), ("ft2", 2, 6)]


def test_a_cut_changes_no_value(recipe):
    """A recipe of models with gradients, one of them for the whole merge, cut where no knot is."""
    recipe = recipe.with_parameter("lambda", [0.5, 1]).with_parameter(
        "weight", [{"filter": "mlp", "value": [1, 0, 1]}, {"value": 0.3}], "ft2"
    )
    plan = make_plan(recipe)
    parts = stack.split(recipe, plan.piece_depths, 2)
    assert seen(parts) == [("ft1", 0, 2), ("ft2", 0, 2), ("ft1", 2, 6), ("ft2", 2, 6)]
    after = make_plan(parts)
    for tensor in plan.tensors:
        if tensor.layer is not None:
            assert after[tensor.name].values.each["weight"][1:] == pytest.approx(tensor.values.each["weight"][1:])
            assert after[tensor.name].values["lambda"] == pytest.approx(tensor.values["lambda"])
    assert stack.split(parts, after.piece_depths, 2) == parts  # there is a cut already


def test_methods_that_need_several_models_get_those_of_the_neighbour(deep_family):
    both = [str(deep_family.ft1), str(deep_family.ft2)]
    recipe = Recipe.of({"merge_method": "slerp", "base_model": both[0], "models": both, "parameters": {"t": 0.5}})
    more = stack.insert(recipe, depths(recipe), 1, stack.Layers(ModelRef.of(both[1]), 0, 2))
    assert seen(more)[2:] == [("ft2", 0, 2), ("ft1", 0, 2)]


@pytest.mark.parametrize(
    "change",
    [
        lambda r, d: stack.set_range(r, d, 0, 3, 3),
        lambda r, d: stack.set_range(r, d, 0, -1, 3),
        lambda r, d: stack.remove(stack.remove(r, d, 0), d[1:], 0),
        lambda r, d: stack.move(r, d, 7, 0),
        lambda r, d: stack.split(r, d, 40),
    ],
)
def test_impossible_edits_are_refused(stacked, change):
    with pytest.raises(RecipeError):
        change(stacked, depths(stacked))
