"""Scores with their history, by recipe."""

import threading
from types import SimpleNamespace

import pytest

from nbmerge.engine.live.live_merge import live
from nbmerge.recipe import Recipe
from nbmerge.sampling import Gauges, Perplexity, Phrase


def merge(value: float, name: str):
    return SimpleNamespace(value=value, recipe=SimpleNamespace(fingerprint=name))


@pytest.fixture
def gauges() -> Gauges:
    made = Gauges({"up": lambda m: m.value})
    made.add("down", lambda m: -m.value, lower=True)
    return made


def test_each_recipe_has_one_reading_and_the_latest_is_last(gauges):
    for value, name in ((1, "a"), (3, "b"), (2, "a")):
        gauges.read(merge(value, name))
    assert [r.fingerprint for r in gauges.readings] == ["b", "a"]
    assert gauges.history("up") == [3, 2]
    assert gauges.latest.values == {"up": 2, "down": -2}
    assert list(gauges.table["up"]) == [3, 2]
    assert "up 2" in repr(gauges)


def test_the_best_is_the_highest_or_the_lowest(gauges):
    for value, name in ((1, "a"), (3, "b"), (float("nan"), "c"), (3, "d")):
        gauges.read(merge(value, name))
    assert gauges.best("up").fingerprint == "b"
    assert gauges.best("down").fingerprint == "b"
    assert gauges.is_better("up", 2, 1)
    assert gauges.is_better("down", 1, 2)
    assert Gauges({"x": len}).best("x") is None


def test_a_score_that_fails_says_so_and_the_others_are_read(gauges):
    gauges.add("broken", lambda m: m.nothing)
    reading = gauges.read(merge(1, "a"))
    assert reading.values == {"up": 1, "down": -1}
    assert "AttributeError" in reading.failed["broken"]
    gauges.remove("broken")
    assert not gauges.latest.failed


def test_another_score_of_the_same_name_begins_anew(gauges):
    gauges.read(merge(1, "a"))
    gauges.add("up", lambda m: m.value * 2)
    assert gauges.history("up") == []
    assert gauges.history("down") == [-1]
    with pytest.raises(TypeError, match="is a function"):
        gauges.add("x", 3)


def test_stop_asks_no_further_score(gauges):
    stop = threading.Event()
    gauges.add("up", lambda m: stop.set() or m.value)
    assert gauges.read(merge(1, "a"), stop=stop).values == {"up": 1}


def test_a_live_merge_is_scored_as_it_changes(family):
    r = Recipe.of({"merge_method": "slerp", "models": [str(family.ft1), str(family.ft2)], "parameters": {"t": 0.2}})
    merged, gauges = (
        live(r),
        Gauges({"story": Perplexity("the fox ran."), "fox": Phrase("the ", "fox", ("dog", "hen"))}),
    )
    first = gauges.read(merged)
    merged.update(r.with_parameter("t", 0.9))
    second = gauges.read(merged)
    assert first.fingerprint == r.fingerprint != second.fingerprint
    assert first.values.keys() == second.values.keys() == {"story", "fox"}
    assert first.values != second.values
    assert gauges.best("story").values["story"] == min(gauges.history("story"))


def test_the_demo_familys_skills_are_scores():
    from nbmerge import demo

    gauges = Gauges({name: demo.Skill(name, n=40) for name in ("reverse", "upper")})
    values = gauges.read(str(demo.family().experts["reverser"]), recipe=demo.recipe()).values
    assert values["reverse"] > 0.9
    assert values["upper"] < 0.2
