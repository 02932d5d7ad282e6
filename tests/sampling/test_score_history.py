"""Scores with their history, by recipe."""

import threading
from types import SimpleNamespace

import pytest

from nbmerge.engine.live.live_merge import live
from nbmerge.recipe import Recipe
from nbmerge.sampling import Perplexity, Phrase, ScoreHistory


def merge(value: float, name: str):
    return SimpleNamespace(value=value, recipe=SimpleNamespace(fingerprint=name))


@pytest.fixture
def history() -> ScoreHistory:
    made = ScoreHistory({"up": lambda m: m.value})
    made.add("down", lambda m: -m.value, lower=True)
    return made


def test_each_recipe_has_one_record_and_the_latest_is_last(history):
    for value, name in ((1, "a"), (3, "b"), (2, "a")):
        history.evaluate(merge(value, name))
    assert [r.fingerprint for r in history.records] == ["b", "a"]
    assert history.values("up") == [3, 2]
    assert history.latest.values == {"up": 2, "down": -2}
    assert list(history.table["up"]) == [3, 2]
    assert "up 2" in repr(history)


def test_the_best_is_the_highest_or_the_lowest(history):
    for value, name in ((1, "a"), (3, "b"), (float("nan"), "c"), (3, "d")):
        history.evaluate(merge(value, name))
    assert history.best("up").fingerprint == "b"
    assert history.best("down").fingerprint == "b"
    assert history.is_better("up", 2, 1)
    assert history.is_better("down", 1, 2)
    assert ScoreHistory({"x": len}).best("x") is None


def test_a_score_that_fails_says_so_and_the_others_are_read(history):
    history.add("broken", lambda m: m.nothing)
    reading = history.evaluate(merge(1, "a"))
    assert reading.values == {"up": 1, "down": -1}
    assert "AttributeError" in reading.failed["broken"]
    history.remove("broken")
    assert not history.latest.failed


def test_another_score_of_the_same_name_starts_over(history):
    history.evaluate(merge(1, "a"))
    history.add("up", lambda m: m.value * 2)
    assert history.values("up") == []
    assert history.values("down") == [-1]
    with pytest.raises(TypeError, match="must be a function"):
        history.add("x", 3)


def test_stop_asks_no_further_score(history):
    stop = threading.Event()
    history.add("up", lambda m: stop.set() or m.value)
    assert history.evaluate(merge(1, "a"), cancel=stop).values == {"up": 1}


def test_a_live_merge_is_scored_as_it_changes(family):
    r = Recipe.of({"merge_method": "slerp", "models": [str(family.ft1), str(family.ft2)], "parameters": {"t": 0.2}})
    merged, history = (
        live(r),
        ScoreHistory({"story": Perplexity("the fox ran."), "fox": Phrase("the ", "fox", ("dog", "hen"))}),
    )
    first = history.evaluate(merged)
    merged.update(r.with_parameter("t", 0.9))
    second = history.evaluate(merged)
    assert first.fingerprint == r.fingerprint != second.fingerprint
    assert first.values.keys() == second.values.keys() == {"story", "fox"}
    assert first.values != second.values
    assert history.best("story").values["story"] == min(history.values("story"))


def test_the_demo_familys_skills_are_scores():
    from nbmerge import demo

    history = ScoreHistory({name: demo.Skill(name, n=40) for name in ("reverse", "upper")})
    values = history.evaluate(str(demo.family().experts["reverser"]), recipe=demo.recipe()).values
    assert values["reverse"] > 0.9
    assert values["upper"] < 0.2
