"""Edits keep the recipe as it was written, and give every tensor exactly what was asked for."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nbmerge.curves import (
    Knot,
    add_knot,
    list_tracks,
    map_knots,
    move_knot,
    read_curve,
    read_knots,
    remove_knot,
    values_at_layers,
    write_knots,
    write_layers,
)
from nbmerge.curves.cells import find_cells
from nbmerge.curves.forms import find_form
from nbmerge.engine.planning import examine, read_numbers
from nbmerge.engine.planning.planner import plan as make_plan
from nbmerge.recipe import Recipe
from tests.encoder_decoders import make_t5
from tests.models import make_family

DEPTH = 14


@pytest.fixture(scope="module")
def family(tmp_path_factory):
    sizes = {"hidden": 8, "intermediate": 8, "heads": 2, "kv_heads": 1, "vocab": 16}
    return make_family(tmp_path_factory.mktemp("tall"), layers=DEPTH, **sizes)


def slerp(family, t):
    models = [str(family.ft1), str(family.ft2)]
    return Recipe.of({"merge_method": "slerp", "base_model": models[0], "models": models, "parameters": {"t": t}})


def drawn(family, t):
    """A plan of a slerp, and its only track."""
    plan = make_plan(slerp(family, t))
    return plan, next(t for t in list_tracks(plan) if t.parameter.name == "t")


def values(plan, track):
    return {tensor.name: value for tensor, value in read_numbers(plan, track.parameter, track.model)}


def t_of(recipe):
    return recipe.parameters["t"].plain()


def test_what_is_wanted_of_some_tensors_leaves_the_cells_of_the_plan_alone(family):
    plan, track = drawn(family, [0, 1])
    (before,) = find_cells(plan, track, {})
    name = before[5].tensor
    (wanted,) = find_cells(plan, track, {name: 0.75})
    assert [c for c, old in zip(wanted, before, strict=True) if c != old] == [before[5]._replace(new=0.75, asked=True)]
    assert find_cells(plan, track, {}) == [before]
    assert all(c.old == c.new and not c.asked for c in before)


# --- knots ---


@pytest.mark.parametrize(
    ("t", "knots"),
    [
        (0.3, [(6.5, 0.3)]),
        ([0, 0.5, 1], [(0, 0), (6.5, 0.5), (13, 1)]),
        ({0: 0, "4-6": 0.8, 13: 0.1}, [(0, 0), (4, 0.8), (6, 0.8), (13, 0.1)]),
        ([{"filter": "lm_head", "value": 1}, {"value": [0, 0.5]}], [(0, 0), (13, 0.5)]),
    ],
)
def test_knots_are_what_the_recipe_says(family, t, knots):
    line = read_knots(*drawn(family, t))
    assert [(k.layer, k.value) for k in line.knots] == knots
    assert line.exact


def test_a_group_has_the_knots_of_its_filter(family):
    plan, track = drawn(family, [{"filter": "mlp", "value": [0, 1]}, {"value": 0.3}])
    assert [k.value for k in read_knots(plan, track, "mlp").knots] == [0, 1]
    assert [k.value for k in read_knots(plan, track, "rest").knots] == [0.3]
    both = read_knots(plan, track)
    assert len(both.knots) == DEPTH
    assert not both.exact


def test_a_knot_that_is_a_mean_moves_alone(family):
    """The tensors of other layers keep values of their own."""
    plan, track = drawn(family, [{"filter": "mlp", "value": [0, 1]}, {"value": 0.3}])
    recipe = write_knots(plan.recipe, plan, track, move_knot(read_knots(plan, track).knots, 5, 5, 0.9, DEPTH))
    after = read_curve(make_plan(recipe), track).layers
    for name, before in read_curve(plan, track).layers.items():
        assert after[name] == pytest.approx([0.9 if i == 5 else v for i, v in enumerate(before)])


def test_a_knot_moved_up_leaves_a_list_and_its_filters(family):
    plan, track = drawn(family, [{"filter": "mlp", "value": [0, 0.5, 1]}, {"value": 0.3}])
    knots = move_knot(read_knots(plan, track, "mlp").knots, 1, 6.5, 0.7, DEPTH)
    recipe = write_knots(plan.recipe, plan, track, knots, "mlp")
    assert t_of(recipe) == [{"filter": "mlp", "value": [0, 0.7, 1]}, {"value": 0.3}]


def test_a_knot_moved_sideways_names_layers(family):
    plan, track = drawn(family, [0, 0.5, 1])
    knots = move_knot(read_knots(plan, track).knots, 1, 4, 0.7, DEPTH)
    assert t_of(write_knots(plan.recipe, plan, track, knots)) == {0: 0, 4: 0.7, 13: 1}


def test_a_knot_on_the_line_is_kept(family):
    plan, track = drawn(family, [0, 1])
    recipe = write_knots(plan.recipe, plan, track, add_knot(read_knots(plan, track).knots, 4, 4 / 13, DEPTH))
    assert t_of(recipe) == {0: 0, 4: 0.307692, 13: 1}
    again = make_plan(recipe)
    assert t_of(write_knots(recipe, again, track, remove_knot(read_knots(again, track).knots, 1))) == [0, 1]


def test_knots_of_equal_value_stay_knots(family):
    """A drag through the level of its neighbours must not lose them."""
    plan, track = drawn(family, [0.3, 0.5, 0.3])
    recipe = write_knots(plan.recipe, plan, track, move_knot(read_knots(plan, track).knots, 1, 6.5, 0.3, DEPTH))
    assert len(read_knots(make_plan(recipe), track).knots) == 3


def test_a_line_over_all_tensors_needs_no_filters(family):
    plan, track = drawn(
        family, [{"filter": "mlp", "value": [0, 1]}, {"filter": "layers.3.", "value": 1}, {"value": 0.3}]
    )
    assert t_of(write_knots(plan.recipe, plan, track, [Knot(0, 0), Knot(13, 1)])) == [0, 1]


@pytest.mark.parametrize("layer", [-3, 2, 6.4, 13, 99])
def test_knots_never_pass_each_other(family, layer):
    moved = move_knot(read_knots(*drawn(family, [0, 0.5, 1])).knots, 1, layer, 0.4, DEPTH)
    assert [k.layer for k in moved] == sorted({k.layer for k in moved})
    assert moved[1].layer in range(1, 13) or moved[1].layer == 6.5


def test_slices_keep_what_they_have(family):
    pieces = [
        {"sources": [{"model": str(m), "layer_range": r} for m in (family.ft1, family.ft2)], "parameters": {"t": t}}
        for r, t in (([0, 8], [0, 0.4]), ([4, 12], 0.5))
    ]
    recipe = Recipe.of({"merge_method": "slerp", "base_model": str(family.ft1), "slices": pieces})
    plan = make_plan(recipe)
    (track,) = list_tracks(plan)
    line = read_knots(plan, track)
    assert [(k.layer, k.value) for k in line.knots] == [(0, 0), (7, 0.4), (8, 0.5), (15, 0.5)]
    changed = write_knots(recipe, plan, track, move_knot(line.knots, 3, 15, 0.9, 16))
    assert [s.parameters["t"].plain() for s in changed.slices] == [[0, 0.4], [0.5, 0.9]]


# --- single layers ---


def test_one_layer_of_a_gradient_gets_a_rule_and_the_gradient_stays(family):
    plan, track = drawn(family, [0, 0.5, 1])
    recipe = write_layers(plan.recipe, plan, track, {5: 0.9})
    assert t_of(recipe) == [{"filter": "layers.5.", "value": 0.9}, {"value": [0, 0.5, 1]}]
    line = read_knots(make_plan(recipe), track)
    assert [k.value for k in line.knots] == [0, 0.5, 1]
    assert line.alone == (Knot(5, 0.9),)


def test_a_knot_moves_and_single_layers_stay(family):
    plan, track = drawn(family, [{"filter": "layers.5.", "value": 0.9}, {"value": [0, 0.5, 1]}])
    line = read_knots(plan, track)
    recipe = write_knots(plan.recipe, plan, track, map_knots(line.knots, lambda v: v / 2), alone=line.alone)
    assert t_of(recipe) == [{"filter": "layers.5.", "value": 0.9}, {"value": [0, 0.25, 0.5]}]


def test_a_layer_that_goes_back_to_the_line_needs_no_rule(family):
    plan, track = drawn(family, [{"filter": "layers.5.", "value": 0.9}, {"value": [0, 0.5, 1]}])
    assert t_of(write_layers(plan.recipe, plan, track, {5: 5 / 13})) == [0, 0.5, 1]


def test_a_range_of_layers_is_written_by_its_corners(family):
    plan, track = drawn(family, [{"filter": "mlp", "value": 0.1}, {"value": [0, 1]}])
    recipe = write_layers(plan.recipe, plan, track, dict.fromkeys(range(4, 9), 0.3), "mlp")
    assert t_of(recipe) == [{"filter": "mlp", "value": {3: 0.1, "4-8": 0.3, 9: 0.1}}, {"value": [0, 1]}]


def test_one_layer_of_a_group(family):
    plan, track = drawn(family, 0.3)
    recipe = write_layers(plan.recipe, plan, track, {5: 0.9}, "mlp")
    assert t_of(recipe) == [{"filter": "layers.5.mlp.", "value": 0.9}, {"value": 0.3}]


def test_what_one_model_inherits_is_written_for_it_alone(family):
    models = [str(family.ft1), str(family.ft2)]
    weight = [{"filter": "mlp", "value": 0.4}, {"value": [0.1, 1]}]
    recipe = Recipe.of({"merge_method": "linear", "models": models, "parameters": {"weight": weight}})
    plan = make_plan(recipe)
    first, second = list_tracks(plan)
    changed = write_knots(recipe, plan, first, [Knot(0, 0.2), Knot(13, 0.6)], "rest")
    assert changed.parameters == recipe.parameters
    assert read_curve(make_plan(changed), second) == read_curve(plan, second)
    assert read_curve(make_plan(changed), first).layers["mlp"] == (0.4,) * DEPTH


# --- whatever it is ---

NUMBER = st.integers(0, 100).map(lambda i: i / 100)
LAYERS = st.dictionaries(st.integers(0, DEPTH - 1), NUMBER, min_size=1, max_size=4)
VALUE = NUMBER | st.lists(NUMBER, min_size=2, max_size=5) | st.lists(NUMBER, min_size=DEPTH, max_size=DEPTH) | LAYERS
FILTER = st.sampled_from(["mlp", "self_attn", "down_proj", "layers.3.", "layers.1", "norm", "lm_head", "embed_tokens"])
RULES = st.lists(st.builds(lambda f, v: {"filter": f, "value": v}, FILTER, VALUE), max_size=3)
SETTING = st.builds(lambda rules, v: [*rules, {"value": v}], RULES, VALUE)
GROUP = st.sampled_from([None, "attention", "mlp", "rest"])
EDITS = st.lists(st.tuples(GROUP, LAYERS), min_size=1, max_size=3)


@settings(max_examples=8, deadline=None)
@given(SETTING, EDITS)
@pytest.mark.slow
def test_every_edit_gives_every_tensor_what_was_asked_for(family, setting, edits):
    plan, track = drawn(family, setting)
    for group, asked in edits:
        before, curve = values(plan, track), read_curve(plan, track)
        recipe = write_layers(plan.recipe, plan, track, asked, group)
        after = make_plan(recipe)
        ends = curve.with_some(group, asked).ends
        for tensor in after.tensors:
            wanted = before[tensor.name]
            if tensor.layer in asked and group in (None, tensor.kind):
                wanted = asked[tensor.layer]
            elif tensor.layer is None and not (
                curve.is_tied(tensor.kind) and ends[tensor.kind] == curve.ends[tensor.kind]
            ):
                wanted = ends[tensor.kind]
            assert tensor.values["t"] == pytest.approx(wanted, abs=2e-6), (tensor.name, t_of(recipe))
        assert examine(recipe)[0] is not None
        plan = after


@settings(max_examples=8, deadline=None)
@given(SETTING, LAYERS, GROUP)
def test_knots_that_are_written_are_read_again(family, setting, points, group):
    plan, track = drawn(family, setting)
    knots = tuple(Knot(float(x), v) for x, v in sorted(points.items()))
    after = make_plan(write_knots(plan.recipe, plan, track, knots, group))
    groups = [group] if group else ["attention", "mlp", "rest"]
    for name in groups:
        assert read_curve(after, track).layers[name] == pytest.approx(values_at_layers(knots, DEPTH), abs=2e-6)
        line = read_knots(after, track, name)
        assert values_at_layers(line.knots, DEPTH) == pytest.approx(values_at_layers(knots, DEPTH), abs=2e-6)
    if len(knots) > 1:
        assert [k.layer for k in line.knots] == [k.layer for k in knots]


@pytest.mark.parametrize(
    ("targets", "form"),
    [
        ({i: 0.4 for i in range(8)}, 0.4),
        ({i: i / 7 for i in range(8)}, (0, 1)),
        ({0: 0, 1: 0.5, 2: 1, 3: 0.5, 4: 0}, (0, 1, 0)),
        ({3: 0.2, 4: 0.2}, 0.2),
    ],
)
def test_the_shortest_form_is_found(targets, form):
    assert find_form(targets, 8 if len(targets) == 8 else 5) == form


SHORT = st.none() | st.lists(NUMBER, min_size=2, max_size=3) | NUMBER | st.just({0: 0.2, "1-3": 0.9})


def weight(value):
    return {} if value is None else {"parameters": {"weight": value}}


@settings(max_examples=10, deadline=None)
@given(st.booleans(), SHORT, SHORT, SHORT, st.integers(0, 1), GROUP, LAYERS)
def test_an_edit_of_one_model_leaves_all_else_alone(family, sliced, own, shared, whole, number, group, asked):
    """Wherever its values came from: the model, its slice, the recipe or the method's default."""
    models = [{"model": str(family.ft1), **weight(own)}, {"model": str(family.ft2)}]
    if sliced:
        sources = [[{**m, "layer_range": r} for m in models] for r in ([0, 6], [3, 11])]
        data = {"slices": [{"sources": sources[0], **weight(shared)}, {"sources": sources[1]}]}
    else:
        data = {"models": models}
    recipe = Recipe.of(
        {"merge_method": "task_arithmetic", "base_model": str(family.base), **data, **weight(whole or 0.5)}
    )
    plan = make_plan(recipe)
    track, other = list_tracks(plan)[:: 1 - 2 * number]
    before = read_curve(plan, track)
    after = make_plan(write_layers(recipe, plan, track, asked, group))
    assert values(after, other) == values(plan, other)
    drawn = before.with_some(group, asked)
    for name, layer in read_curve(after, track).layers.items():
        assert layer == pytest.approx(drawn.layers[name], abs=2e-6)
    assert read_curve(after, track).ends == pytest.approx(drawn.ends, abs=2e-6)


@pytest.mark.slow
def test_stacks_of_different_depth_share_a_list(tmp_path):
    """A mapping would name layers that the shorter stack does not have."""
    models = make_t5(tmp_path, 2)
    recipe = Recipe.of(
        {"merge_method": "slerp", "base_model": models[0], "models": models, "parameters": {"t": [0, 1]}}
    )
    plan = make_plan(recipe)
    (track,) = list_tracks(plan)
    drawn = make_plan(write_knots(recipe, plan, track, [Knot(0, 0.1), Knot(1, 0.8), Knot(3, 0.3)]))
    assert read_curve(drawn, track).layers["mlp"] == pytest.approx((0.1, 0.8, 0.55, 0.3))
    single = write_layers(recipe, plan, track, {1: 0.9}, "mlp")
    assert t_of(single)[0] == {"filter": "block.1.layer.2.DenseReluDense.", "value": 0.9}
