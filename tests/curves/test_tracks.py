import pytest

from nbmerge.curves.tracks import can_separate_groups, is_flat, list_tracks, read_curve, read_shared_value
from nbmerge.curves.write_back import set_everywhere, write_curve
from nbmerge.engine.planning.planner import plan as make_plan
from nbmerge.recipe import Recipe


@pytest.fixture
def plan(recipe):
    return make_plan(recipe)


def slerp(family, t):
    models = [str(family.ft1), str(family.ft2)]
    return Recipe.of({"merge_method": "slerp", "base_model": models[0], "models": models, "parameters": {"t": t}})


def test_tracks_name_the_models_at_both_ends(plan, deep_family):
    assert [t.title for t in list_tracks(plan)] == ["weight of ft1", "weight of ft2"]
    assert list_tracks(plan)[0].ends == ("0 = nothing of ft1", "1 = all of ft1")
    (t,) = list_tracks(make_plan(slerp(deep_family, 0.5)))
    assert t.ends == ("0 = all ft1", "1 = all ft2")


def test_a_curve_is_what_the_plan_resolved(plan):
    first, second = (read_curve(plan, t) for t in list_tracks(plan))
    assert first.layers["mlp"] == (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
    assert first.ends == {"embedding": 0.0, "final norm": 1.0, "head": 1.0}
    assert is_flat(second)
    assert not is_flat(first)


def test_values_finer_than_a_group_show_as_a_spread(deep_family):
    plan = make_plan(slerp(deep_family, [{"filter": "q_proj", "value": 1}, {"value": 0}]))
    drawn = read_curve(plan, list_tracks(plan)[0])
    assert drawn.spread["attention"][0] == (0.0, 1.0)
    assert drawn.layers["attention"][0] == pytest.approx(0.25)
    assert drawn.layers["mlp"][0] == 0


def test_global_numbers_are_drawn_once_they_vary(plan, recipe):
    varied = make_plan(recipe.with_parameter("lambda", [0.5, 1]))
    assert "lambda" in [t.parameter.name for t in list_tracks(varied)]
    assert read_shared_value(varied, varied.method.parameter("lambda")) is None
    assert read_shared_value(plan, plan.method.parameter("lambda")) == 1.0


def test_what_is_written_is_what_the_plan_resolves(recipe, plan):
    track = list_tracks(plan)[0]
    drawn = read_curve(plan, track).with_layers("mlp", [0.1, 0.2, 0.3, 0.4, 0.5, 0.9]).with_end("embedding", 0.7)
    changed = write_curve(recipe, plan, track, drawn)
    again = read_curve(make_plan(changed), track)
    assert again.layers == drawn.layers
    assert again.ends == drawn.ends
    assert read_curve(make_plan(changed), list_tracks(plan)[1]) == read_curve(plan, list_tracks(plan)[1])


def test_moving_one_layer_touches_one_layer(recipe, plan):
    track = list_tracks(plan)[0]
    once = write_curve(recipe, plan, track, read_curve(plan, track).with_some(None, {2: 0.33}))
    before = make_plan(once)
    after = make_plan(write_curve(once, before, track, read_curve(before, track).with_some(None, {2: 0.34})))
    assert {t.layer for t in after.tensors if t != before[t.name]} == {2}


def test_ends_follow_the_curve_until_they_have_a_value_of_their_own(plan):
    drawn = read_curve(plan, list_tracks(plan)[0])
    moved = drawn.with_layers(None, [0.5] * 6)
    assert set(moved.ends.values()) == {0.5}
    own = drawn.with_end("head", 0.1).with_layers(None, [0.5] * 6)
    assert own.ends == {"embedding": 0.5, "final norm": 0.5, "head": 0.1}


def test_a_simple_curve_stays_a_simple_list(recipe, plan):
    track = list_tracks(plan)[1]
    changed = write_curve(
        recipe, plan, track, read_curve(plan, track).with_layers(None, [0.1, 0.9, 0.2, 0.3, 0.4, 0.5])
    )
    assert changed.models[1].parameters["weight"].plain() == [0.1, 0.9, 0.2, 0.3, 0.4, 0.5]


def test_slices_get_their_part_of_the_curve_each(deep_family):
    def source(ref, first, end):
        return {"model": str(ref), "layer_range": [first, end]}

    pieces = [
        {"sources": [source(deep_family.ft1, a, b), source(deep_family.ft2, a, b)], "parameters": {"t": 0.5}}
        for a, b in ((0, 4), (2, 6))
    ]
    recipe = Recipe.of({"merge_method": "slerp", "base_model": str(deep_family.ft1), "slices": pieces})
    plan = make_plan(recipe)
    track = list_tracks(plan)[0]
    values = [0, 0.1, 0.2, 0.3, 0.9, 0.8, 0.7, 0.5]
    drawn = read_curve(plan, track).with_layers(None, values).with_end("embedding", 0.6)
    changed = write_curve(recipe, plan, track, drawn)
    again = read_curve(make_plan(changed), track)
    assert again.layers["rest"] == pytest.approx(values)
    assert again.ends == {"embedding": 0.6, "final norm": 0.5, "head": 0.5}
    assert is_flat(read_curve(make_plan(set_everywhere(changed, "t", 0.25)), track))


def test_models_with_a_weight_of_their_own_in_slices(deep_family):
    refs = [str(deep_family.ft1), str(deep_family.ft2)]
    pieces = [
        {"sources": [{"model": r, "layer_range": [a, a + 3], "parameters": {"weight": 0.5}} for r in refs]}
        for a in (0, 3)
    ]
    recipe = Recipe.of({"merge_method": "linear", "slices": pieces})
    plan = make_plan(recipe)
    track = list_tracks(plan)[1]
    values = (0.1, 0.2, 0.4, 0.5, 0.7, 0.8)
    again = make_plan(write_curve(recipe, plan, track, read_curve(plan, track).with_layers(None, values)))
    assert read_curve(again, track).layers["mlp"] == values
    assert is_flat(read_curve(again, list_tracks(again)[0]))


def test_groups_are_separable_by_name(plan):
    assert can_separate_groups(plan, list_tracks(plan)[0])
