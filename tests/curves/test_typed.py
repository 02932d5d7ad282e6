"""Typed and pasted values: what they mean, and where they are wrong."""

from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nbmerge.curves import (
    Knot,
    Line,
    format_curve,
    format_line,
    list_tracks,
    parse_typed,
    read_curve,
    read_knots,
    write_typed,
)
from nbmerge.engine.planning.planner import plan as make_plan
from nbmerge.errors import RecipeError
from nbmerge.recipe import Recipe

DEPTH = 6


@pytest.fixture(scope="module")
def slerp(deep_family):
    def plan(t=0.5):
        models = [str(deep_family.ft1), str(deep_family.ft2)]
        recipe = Recipe.of({"merge_method": "slerp", "base_model": models[0], "models": models, "parameters": {"t": t}})
        return make_plan(recipe)

    return plan


def typed(plan, text, group=None):
    """The setting that a text makes."""
    track = list_tracks(plan)[0]
    return write_typed(plan.recipe, plan, track, text, group)


@pytest.mark.parametrize(
    ("before", "text", "after"),
    [
        (0.5, "0.3", 0.3),
        (0.5, "0.2, 0.4", [0.2, 0.4]),
        (0.5, "[0, 0.5, 1]", [0, 0.5, 1]),
        (0.5, "0 1\t0 1 0 1", [0, 1, 0, 1, 0, 1]),
        (0.5, "{0: 0.2, 4: 0.8}", {0: 0.2, 4: 0.8}),
        (0.5, "{0: 0, 2-4: 0.8}", {0: 0, "2-4": 0.8}),
        (0.5, "all: 0.1, 0.3", [0.1, 0.3]),
        ([0, 0.5, 1], "all: x0.5", [0, 0.25, 0.5]),
        ([0.1, 0.6], "+0.2", [0.3, 0.8]),
        ([0.1, 0.6], "-=0.1", [0, 0.5]),
        (0.5, "t: 0.4", 0.4),
        (0.5, "mlp: 0.4", [{"filter": "mlp", "value": 0.4}, {"value": 0.5}]),
        (0.5, "2 mlp.down_proj: 0.3", [{"filter": "layers.2.mlp.down_proj", "value": 0.3}, {"value": 0.5}]),
        (0.5, "head: 1", [{"filter": "lm_head", "value": 1}, {"value": 0.5}]),
        ([0, 1], "3: 0.9", [0, 0.2, 0.4, 0.9, 0.8, 1]),
        (0.5, "2-3: 0.3; 5: +0.1", [0.5, 0.5, 0.3, 0.3, 0.5, 0.6]),
        (0.5, "0.2, 0.4; 2: 0.9", [0.2, 0.24, 0.9, 0.32, 0.36, 0.4]),
        (0.5, "0, 3-5: +0.1", [0.6, 0.5, 0.5, 0.6, 0.6, 0.6]),
        (0.5, "1-4: 0.2, 0.8", [0.5, 0.2, 0.4, 0.6, 0.8, 0.5]),
        (0.5, "0\n0.2\n0.4\n0.6\n0.8\n1", [0, 1]),
        (0.5, "layer\tweight\n2\t0.3\n3\t0.4\n", [0.5, 0.5, 0.3, 0.4, 0.5, 0.5]),
    ],
)
def test_a_typed_text_is_parsed(slerp, before, text, after):
    plan = slerp(before)
    recipe = typed(plan, text)
    written = recipe.parameters["t"].plain()
    if isinstance(after, list) and len(after) == DEPTH and written != after:  # in whichever form is shorter
        curve = read_curve(make_plan(recipe), list_tracks(plan)[0])
        assert curve.layers["mlp"] == curve.layers["rest"] == pytest.approx(after)
    else:
        assert written == after


def test_a_group_that_is_chosen_is_meant_where_none_is_named(slerp):
    recipe = typed(slerp(0.5), "0.2, 0.4", "mlp")
    assert recipe.parameters["t"].plain() == [{"filter": "mlp", "value": [0.2, 0.4]}, {"value": 0.5}]


def test_values_that_the_method_refuses_are_refused(deep_family):
    models = [{"model": str(m), "parameters": {"weight": 1}} for m in (deep_family.ft1, deep_family.ft2)]
    recipe = Recipe.of({"merge_method": "ties", "base_model": str(deep_family.base), "models": models})
    plan = make_plan(recipe)
    density = next(t for t in list_tracks(plan) if t.parameter.name == "density")
    for text in ("1.5", "2: +0.6", "all: x2"):
        with pytest.raises(RecipeError, match="out of range: 0 to 1"):
            write_typed(recipe, plan, density, text)


def test_scaling_keeps_what_is_finer(slerp):
    before = [{"filter": "q_proj", "value": 0.8}, {"value": [0, 0.4]}]
    recipe = typed(slerp(before), "x0.5")
    assert recipe.parameters["t"].plain() == [{"filter": "q_proj", "value": 0.4}, {"value": [0, 0.2]}]


@pytest.mark.parametrize(
    ("text", "line", "column", "what"),
    [
        ("0.2, a lot", 1, 6, "a number is expected, not 'a'"),
        ("0.2\n3-: 0.1", 2, 1, "a layer or a range such as 3-5 is expected, not '3-'"),
        ("8-15: 0.3", 1, 1, "there is no layer 15. The layers are 0 to 5."),
        ("1: 0.2; 4-2: 0.3", 1, 9, "the range 4-2 goes backwards"),
        ("3:", 1, 3, "a number is expected after the colon"),
        (": 0.3", 1, 1, "layers are expected before the colon"),
        ("1 2: 0.3", 1, 1, "not '1 2'"),
        ("1: 0.2, 0.3", 1, 1, "these are 2 numbers for 1 layer"),
        ("1,2,3,4,5,6,7", 1, 1, "these are 7 numbers for 6 layers"),
        (",".join(["0"] * 26), 1, 1, "26 numbers, as block weights for picture models have them .* there are 6 layers"),
        ("MINE: " + ",".join(["0"] * 20), 1, 1, "20 numbers, as block weights"),
        ("0,5\n0,6", 1, 1, "a comma separates numbers. Write 0.5"),
        ("R, 0, 1", 1, 1, "random"),
        ("{0: 0.2, 0-2: 1}", 1, 10, "layer 0 has two values"),
        ("{0: 0.2", 1, 8, "closing brace"),
        ("mlp: {0: 0.2, 9: 1}", 1, 15, "there is no layer 9"),
        ("all 3 mlp: 0.2", 1, 1, "one part is expected"),
        ("", 1, 1, "there are no numbers"),
        ("1e999", 1, 1, "a number is expected"),
        ("2 bananas: 0.3", 1, 1, "no tensor's name contains 'bananas'. Parts here: .*mlp.down_proj"),
    ],
)
def test_mistakes_are_named_with_their_place(slerp, text, line, column, what):
    with pytest.raises(RecipeError, match=what) as error:
        typed(slerp(0.5), text)
    (problem,) = error.value.problems
    assert problem.line == (line if "\n" in text else None)
    assert f"at column {column}," in problem.what


def test_layers_that_another_model_gives(deep_family):
    slices = [{"sources": [{"model": str(m), "layer_range": [0, 3]}]} for m in (deep_family.ft1, deep_family.ft2)]
    plan = make_plan(Recipe.of({"merge_method": "passthrough", "slices": slices}))
    first, _ = list_tracks(plan)
    with pytest.raises(RecipeError, match=r"do not come from this model\. It gives layers 0 to 2"):
        write_typed(plan.recipe, plan, first, "4: 0.5")
    changed = write_typed(plan.recipe, plan, first, "1: 0.5")
    assert changed.slices[0].sources[0].parameters["scale"].plain() == [1, 0.5, 1]


def test_block_weights_fit_where_the_count_does():
    parsed = parse_typed(",".join(["0.1", *["0.3"] * 25]), depth=25)
    assert parsed[0].values == (0.3,) * 25
    assert {(a.end, a.values) for a in parsed[1:]} == {("embedding", (0.1,)), ("final norm", (0.1,)), ("head", (0.1,))}


NUMBER = st.integers(0, 100).map(lambda i: i / 100)
POINTS = st.dictionaries(st.integers(0, DEPTH - 1), NUMBER, min_size=1, max_size=4)


@settings(max_examples=20, deadline=None)
@given(POINTS | st.lists(NUMBER, min_size=1, max_size=DEPTH), st.dictionaries(st.integers(0, 5), NUMBER, max_size=1))
@pytest.mark.slow
def test_a_line_and_its_text_are_the_same(slerp, value, alone):
    rules = [{"filter": f"layers.{i}.", "value": v} for i, v in alone.items()]
    plan = slerp([*rules, {"value": value}])
    track = list_tracks(plan)[0]
    again = make_plan(typed(slerp(0.5), format_line(read_knots(plan, track), DEPTH)))
    before, after = (read_curve(p, track).layers["rest"] for p in (plan, again))
    assert after == pytest.approx(before, abs=2e-6)


PARTS = st.lists(st.sampled_from(["mlp", "self_attn"]), unique=True, max_size=2)


@settings(max_examples=10, deadline=None)
@given(PARTS, POINTS | st.lists(NUMBER, min_size=2, max_size=4), POINTS | NUMBER, NUMBER)
def test_a_curve_and_its_text_are_the_same(slerp, parts, first, second, rest):
    rules = [{"filter": part, "value": value} for part, value in zip(parts, (first, second), strict=False)]
    plan = slerp([*rules, {"value": rest}])
    track = list_tracks(plan)[0]
    again = make_plan(typed(slerp(0.5), format_curve(plan, track)))
    for group, layers in read_curve(plan, track).layers.items():
        assert read_curve(again, track).layers[group] == pytest.approx(layers, abs=2e-6)


def test_text_of_parts(slerp):
    plan = slerp([{"filter": "mlp", "value": {0: 0.2, 4: 0.9}}, {"value": 0.3}])
    assert format_curve(plan, list_tracks(plan)[0]) == "0.3; mlp: {0: 0.2, 4: 0.9}"
    assert format_curve(plan, list_tracks(plan)[0], "mlp") == "{0: 0.2, 4: 0.9}"


def test_text_of_knots():
    assert format_line(Line((Knot(2.5, 0.5),)), DEPTH) == "0.5"


@settings(max_examples=80, deadline=None)
@given(st.text(st.sampled_from("0123456789.,:;-+x[]{} \n\tmlpa"), max_size=30))
def test_any_text_is_read_or_refused(text):
    parsed = []
    with suppress(RecipeError):
        parsed = parse_typed(text, DEPTH)
    assert all(a.layers is None or max(a.layers) < DEPTH for a in parsed)
