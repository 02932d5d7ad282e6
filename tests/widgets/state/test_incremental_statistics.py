import numpy as np
import pytest

from nbmerge.engine.planning.planner import plan as make_plan
from nbmerge.statistics import measure_models
from nbmerge.widgets.curves.preview import foreseen
from nbmerge.widgets.curves.rounding import tidy
from nbmerge.widgets.curves.slots import Slots
from nbmerge.widgets.curves.tracks import curve, tracks
from nbmerge.widgets.curves.write_back import write
from nbmerge.widgets.state.incremental_statistics import Following


@pytest.fixture(scope="module")
def statistics(deep_family):
    return measure_models(deep_family.base, deep_family.ft1, deep_family.ft2)


def same(first, second):
    return all(np.array_equal(first.by_layer(w), second.by_layer(w)) and first.total("base", w) == second.total("base", w)
               for w in ("distance", "cosine"))  # fmt: skip


def numbers(tensor):
    return {k: tuple(v and tidy(v) for v in row) for k, row in tensor.values.each.items()}


@pytest.mark.parametrize("group", [None, "attention", "mlp"])
@pytest.mark.parametrize("slot", [0, 3, 6, 7, 8])
def test_what_is_foreseen_is_what_the_planner_makes(recipe, group, slot):
    plan = make_plan(recipe.with_parameter("weight", [{"filter": "mlp", "value": [0.1, 0.9]}, {"value": 0.4}], "ft1"))
    for track in tracks(plan):
        before = curve(plan, track)
        after = Slots(before, group).with_value(slot, 0.83)
        made = make_plan(write(plan.recipe, plan, track, after))
        expected = foreseen(plan, track, before, after)
        assert list(map(numbers, expected.tensors)) == list(map(numbers, made.tensors))
        if group:  # only what moved is new
            assert any(a is b for a, b in zip(expected.tensors, plan.tensors, strict=True))


def test_following_gives_what_predicting_gives(recipe, statistics):
    following = Following(statistics)
    for value in (0.1, 0.1, 0.7, [0.0, 1.0], [0.0, 0.2, 1.0]):
        plan = make_plan(recipe.with_parameter("weight", value, "ft1"))
        assert same(following.predict(plan), statistics.predict(plan))


def test_another_choice_of_models_starts_anew(recipe, statistics):
    following = Following(statistics)
    following.predict(make_plan(recipe))
    fewer = make_plan(recipe.replace(models=recipe.models[:1]))
    assert following.predict(fewer).parents == ("base", "ft1")
    assert same(following.predict(fewer), statistics.predict(fewer))


def test_its_table_is_renewed_too(recipe, statistics):
    following = Following(statistics)
    first = following.predict(make_plan(recipe))
    known = first.frame.copy(), first.table.copy()
    plan = make_plan(recipe.with_parameter("weight", 0.9, "ft1"))
    assert following.predict(plan).frame.equals(statistics.predict(plan).frame)
    assert first.frame.equals(known[0])
    assert first.table.equals(known[1])
