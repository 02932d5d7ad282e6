import numpy as np
import pytest

from nbmerge.engine.planning.planner import plan as make_plan
from nbmerge.statistics import measure_models
from nbmerge.widgets.state.incremental_statistics import IncrementalStatistics


@pytest.fixture(scope="module")
def statistics(deep_family):
    return measure_models(deep_family.base, deep_family.ft1, deep_family.ft2)


def same(first, second):
    return all(np.array_equal(first.by_layer(w), second.by_layer(w)) and first.total("base", w) == second.total("base", w)
               for w in ("distance", "cosine"))  # fmt: skip


def test_it_gives_what_predicting_everything_gives(recipe, statistics):
    incremental = IncrementalStatistics(statistics)
    for value in (0.1, 0.1, 0.7, [0.0, 1.0], [0.0, 0.2, 1.0]):
        plan = make_plan(recipe.with_parameter("weight", value, "ft1"))
        assert incremental.can_predict(plan)
        assert same(incremental.predict(plan), statistics.predict(plan))


def test_a_change_that_cannot_be_predicted_is_noticed(recipe, statistics):
    incremental = IncrementalStatistics(statistics)
    incremental.predict(make_plan(recipe))
    other = make_plan(recipe.replace(merge_method="ties"))
    assert not incremental.can_predict(other)
    assert not statistics.can_predict(other)
    assert incremental.can_predict(make_plan(recipe.with_parameter("weight", 0.9, "ft1")))


def test_another_choice_of_models_starts_over(recipe, statistics):
    incremental = IncrementalStatistics(statistics)
    incremental.predict(make_plan(recipe))
    fewer = make_plan(recipe.replace(models=recipe.models[:1]))
    assert incremental.predict(fewer).parents == ("base", "ft1")
    assert same(incremental.predict(fewer), statistics.predict(fewer))


def test_its_table_is_updated_too(recipe, statistics):
    incremental = IncrementalStatistics(statistics)
    first = incremental.predict(make_plan(recipe))
    known = first.frame.copy(), first.table.copy()
    plan = make_plan(recipe.with_parameter("weight", 0.9, "ft1"))
    assert incremental.predict(plan).frame.equals(statistics.predict(plan).frame)
    assert first.frame.equals(known[0])
    assert first.table.equals(known[1])
