"""A search improves scores, is the same however often it is stopped, and says what failed and what does not generalise."""

import json
import math
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest

import nbmerge as nbm
from nbmerge.errors import ArgumentError, MergeStopped, SampleError
from nbmerge.optimisation import Choice, Range, runs
from tests.optimisation.conftest import OTHER, TEXT, Distance

KNOTS = {"knots": 1, "progress": False}


def same(one, other):
    return one.table.equals(other.table) and one.best == other.best


@pytest.mark.parametrize("sampler", ["tpe", "cmaes"])
def test_samplers_come_closer(recipe, sampler):
    found = nbm.search(recipe, {"far": Distance()}, trials=30, sampler=sampler, **KNOTS)
    assert found.table["far"][0] == pytest.approx(0.08)  # trial 0 is the recipe
    assert found.best_trial.scores["far"] < 0.01
    assert Distance()(nbm.live(found.best)) == pytest.approx(found.best_trial.scores["far"])
    assert found.best.fingerprint != recipe.fingerprint


def test_the_first_trial_is_the_recipe_and_every_trial_is_a_merge_of_its_values(recipe):
    found = nbm.search(recipe, {"text": TEXT}, {"text": OTHER}, trials=4, knots=2, progress=False)
    assert found.recipe(0) == recipe
    for trial in found.trials:
        assert trial.scores["text"] == pytest.approx(
            nbm.perplexity(nbm.live(found.recipe(trial.number)), TEXT), rel=1e-6
        )
    kept = [t for t in found.trials if t.held_out]
    assert kept[0].number == 0
    assert kept[-1] == found.best_trial
    assert kept[-1].held_out["text"] == pytest.approx(nbm.perplexity(nbm.live(found.best), OTHER), rel=1e-6)


def test_one_live_merge_is_updated_for_all_trials(recipe, monkeypatch):
    made = []
    monkeypatch.setattr(
        "nbmerge.optimisation.objective.live", lambda *a, **o: made.append(nbm.live(*a, **o)) or made[-1]
    )
    nbm.search(recipe, {"far": Distance()}, trials=5, **KNOTS)
    assert len(made) == 1


@pytest.mark.parametrize("sampler", ["tpe", "cmaes", "random", "grid"])
@pytest.mark.slow
def test_a_search_that_was_interrupted_ends_like_one_that_was_not(recipe, tmp_path, sampler):
    whole = nbm.search(recipe, {"far": Distance()}, trials=16, sampler=sampler, levels=4, seed=3, **KNOTS)
    for trials in (1, 11, 16):
        parts = nbm.search(
            recipe,
            {"far": Distance()},
            trials=trials,
            sampler=sampler,
            levels=4,
            seed=3,
            storage=tmp_path / "s.db",
            **KNOTS,
        )
    assert same(parts, whole)
    other = nbm.search(recipe, {"far": Distance()}, trials=16, sampler=sampler, levels=4, seed=4, **KNOTS)
    assert not other.table.equals(whole.table)


@pytest.mark.slow
def test_processes_that_share_a_database_find_what_one_finds(recipe, tmp_path):
    options = {"trials": 16, "parallel": 4, "storage": tmp_path / "s.db", **KNOTS}
    alone = nbm.search(recipe, {"far": Distance()}, **options | {"storage": None})
    with ThreadPoolExecutor(2) as pool:  # two searches, each with its own connection and locks
        one, two = pool.map(lambda _: nbm.search(recipe, {"far": Distance()}, **options), range(2))
    assert same(one, alone)
    assert same(two, alone)
    with ThreadPoolExecutor(3) as pool:
        assert same(nbm.search(recipe, {"far": Distance()}, **options | {"storage": None, "executor": pool}), alone)


PROGRAM = """
import sys, time, nbmerge as nbm
from tests.optimisation.conftest import Distance

def wait(event):  # however late the kill comes, it does not come after the last trial
    if event.tensors_done == 8:
        time.sleep(600)

nbm.search(sys.argv[1], {"far": Distance()}, trials=60, knots=1, storage=sys.argv[2], sampler=sys.argv[3], progress=wait)
"""


@pytest.mark.slow
@pytest.mark.parametrize("sampler", ["tpe", "cmaes"])
def test_a_search_that_is_killed_goes_on(recipe, tmp_path, sampler):
    (tmp_path / "recipe.yml").write_text(recipe.to_yaml())
    command = [sys.executable, "-c", PROGRAM, str(tmp_path / "recipe.yml"), str(tmp_path / "s.db"), sampler]
    found = 0
    for _ in range(3):
        child = subprocess.Popen(command, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)})
        deadline = time.monotonic() + 120
        while count_trials(tmp_path / "s.db") < found + 5 and child.poll() is None and time.monotonic() < deadline:
            time.sleep(0.002)
        child.send_signal(signal.SIGKILL)
        child.wait()
        found = count_trials(tmp_path / "s.db")
    assert 0 < found < 60
    resumed = nbm.search(
        tmp_path / "recipe.yml", {"far": Distance()}, trials=60, storage=tmp_path / "s.db", sampler=sampler, **KNOTS
    )
    assert same(resumed, nbm.search(recipe, {"far": Distance()}, trials=60, sampler=sampler, **KNOTS))


def count_trials(database):
    import sqlite3

    if not database.exists():
        return 0
    try:
        with sqlite3.connect(database, timeout=1) as connection:
            return connection.execute("SELECT COUNT(*) FROM trials").fetchone()[0]
    except sqlite3.OperationalError:  # no table yet
        return 0


@pytest.mark.slow
def test_a_score_that_fails_is_a_failed_trial(recipe):
    calls = iter(range(100))

    def shaky(merge):
        match next(calls):
            case 1:
                raise ValueError("out of <ink>")
            case 2:
                return math.nan
        return Distance()(merge)

    shaky.lower = True
    found = nbm.search(recipe, {"shaky": shaky}, trials=12, **KNOTS)
    assert found.table["state"].tolist()[:4] == ["complete", "failed", "failed", "complete"]
    assert "1 of 12 trials failed: The score 'shaky' failed: ValueError: out of <ink>" in found.notes
    assert "1 of 12 trials failed: The score 'shaky' is nan." in found.notes
    assert "out of &lt;ink&gt;" in found._repr_html_()
    assert found.best_trial.number > 2

    def never(merge):
        raise ValueError("always")

    broken = nbm.search(recipe, {"never": never}, trials=2, **KNOTS)
    assert "2 failed" in repr(broken)
    with pytest.raises(SampleError, match="always"):
        _ = broken.best
    with pytest.raises(ArgumentError, match="nothing to plot"):
        broken.plot()
    assert "always" in broken._repr_html_()


def test_values_that_make_an_invalid_recipe_fail_alone(recipe):
    wild = Range("density", low=-1, high=1)
    ties = recipe.replace(merge_method="ties", parameters={"density": 0.5})
    found = nbm.search(ties, {"far": Distance()}, trials=8, space=[wild], sampler="random", progress=False)
    states = [(t.values["density"] >= 0, t.state) for t in found.trials]
    assert {(True, "complete"), (False, "failed")} == set(states)
    assert any("density" in note and "out of range" in note for note in found.notes)


def test_several_scores_have_a_front(recipe):
    scores = {"left": Distance((0.0, 0.5)), "right": Distance((1.0, 0.5))}
    found = nbm.search(recipe, scores, trials=40, **KNOTS)
    points = {t.number: (t.scores["left"], t.scores["right"]) for t in found.trials}
    for t in found.front:
        beaten = [
            p
            for p in points.values()
            if p != points[t.number] and p <= points[t.number] and p[1] <= points[t.number][1]
        ]
        assert not beaten
    assert len(found.pareto) == len(found.front) > 2
    middle = found.best_trial.scores
    assert abs(middle["left"] - middle["right"]) < 0.5  # not an end of the front


@pytest.mark.parametrize(("goal", "expected"), [("weakest", 0.5), ("mean", 0.5), ({"left": 1, "right": 0}, 0.0)])
@pytest.mark.rest_is_slow(keep=2)
def test_several_scores_as_one_number(recipe, goal, expected):
    scores = {"left": Distance((0.0, 0.5)), "right": Distance((1.0, 0.5))}
    found = nbm.search(recipe, scores, trials=40, goal=goal, sampler="cmaes", **KNOTS)
    weight = found.best.models[0].parameters["weight"].at("", 0.5)
    assert weight == pytest.approx(expected, abs=0.15)
    assert len(found.front) == 1


@pytest.mark.slow
def test_methods_are_searched_too(recipe):
    class Method:
        def __call__(self, merge):
            return float(merge.recipe.merge_method == "ties")

    space = [Choice("merge_method", ("task_arithmetic", "ties")), Range("density", None, 0.1, 1.0)]
    found = nbm.search(recipe, {"method": Method()}, trials=20, space=space, progress=False)
    assert found.best.merge_method == "ties"
    assert next(iter(found.importance)) == "merge_method"


@pytest.mark.slow
def test_trials_worse_than_the_median_are_stopped(recipe):
    scores = {"far": Distance(), "later": Distance((0.3, 0.7))}
    found = nbm.search(recipe, scores, trials=30, goal="weakest", prune=True, sampler="random", **KNOTS)
    states = found.table["state"].value_counts()
    assert states["pruned"] > 5
    assert states["complete"] > 5
    assert all("later" not in t.scores for t in found.trials if t.state == "pruned")
    assert same(found, nbm.search(recipe, scores, trials=30, goal="weakest", prune=True, sampler="random", **KNOTS))


def test_long_texts_are_scored_in_parts_when_trials_may_be_stopped(recipe):
    texts = [TEXT, OTHER, "the river.", "a lion slept."]
    found = nbm.search(recipe, {"text": texts}, trials=2, prune=True, **KNOTS)
    assert [len(t.steps) for t in found.trials] == [4, 4]
    plain = nbm.search(recipe, {"text": texts}, trials=2, **KNOTS)
    assert [t.scores["text"] for t in found.trials] == pytest.approx([t.scores["text"] for t in plain.trials])


@pytest.mark.slow
def test_texts_that_part_are_reported(recipe):
    same_way = nbm.search(recipe, {"far": Distance()}, {"far": Distance((0.32, 0.68))}, trials=30, **KNOTS)
    assert same_way.notes == ()
    parting = nbm.search(recipe, {"far": Distance()}, {"far": Distance((0.5, 0.4))}, trials=30, **KNOTS)
    assert parting.notes[0].startswith("Held-out texts did not improve: 'far' went from 0.08 to ")

    def near(merge):  # a score of another kind, where higher is better
        return -Distance()(merge)

    other_way = nbm.search(recipe, {"far": Distance()}, {"far": near}, trials=30, **KNOTS)
    assert other_way.notes == ()


@pytest.mark.slow
def test_stopping_gives_what_was_found(recipe, tmp_path):
    cancel = threading.Event()

    def stopping(merge):
        cancel.set()
        return 1.0

    options = {"storage": tmp_path / "s.db", "cancel": cancel, **KNOTS}
    with pytest.raises(MergeStopped, match="before its first trial"):
        nbm.search(recipe, {"one": stopping}, trials=9, **options)
    calls = iter(range(9))
    cancel.clear()

    def later(merge):
        if next(calls) == 2:
            cancel.set()
        return 1.0

    later.__qualname__ = stopping.__qualname__  # the same score, as far as a study can tell
    found = nbm.search(recipe, {"one": later}, trials=9, **options)
    assert found.is_stopped
    assert [t.number for t in found.trials] == [0, 1]
    assert "storage to continue" in found.notes[-1]


def test_a_budget_of_seconds(recipe, monkeypatch):
    now = 1000.0

    def slow(merge):
        nonlocal now
        now += 0.05
        return Distance()(merge)

    monkeypatch.setattr(runs, "time", SimpleNamespace(monotonic=lambda: now))
    found = nbm.search(recipe, {"slow": slow}, seconds=0.58, sampler="random", **KNOTS)
    assert len(found.trials) == 12


def test_progress_is_reported(recipe):
    events = []
    nbm.search(recipe, {"far": Distance()}, trials=3, knots=1, progress=events.append)
    assert [e.kind for e in events] == ["planned", "tensor", "tensor", "tensor", "finished"]
    assert events[1].tensors == 3


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ({"scores": {}}, "scores is empty"),
        ({"held_out": {"other": TEXT}}, "held_out has 'other'"),
        ({"goal": "best"}, "goal is one of"),
        ({"goal": {"x": 1}}, "weight for each score"),
        ({"sampler": "magic"}, "sampler is one of"),
        ({"sampler": "cmaes", "scores": {"a": TEXT, "b": OTHER}}, "compares trials by one number"),
        ({"sampler": "cmaes", "space": [Choice("normalize", (True, False))]}, "varies numbers only"),
        ({"trials": 0}, "trials is a whole number"),
        ({"seconds": -1}, "seconds is a number"),
        ({"space": []}, "nothing to search"),
        ({"space": ["weight"]}, "list of Range and Choice"),
        ({"ranges": {"density": (0, 1)}}, "does not set"),
        ({"prune": True, "scores": {"a": TEXT, "b": OTHER}}, "stopped early only if"),
    ],
)
def test_arguments_are_refused(recipe, options, what):
    with pytest.raises(ArgumentError, match=what):
        nbm.search(recipe, **{"scores": {"far": Distance()}, "trials": 1, "progress": False} | options)


def test_optuna_is_not_installed(recipe, monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(ArgumentError, match=r"pip install \"nbmerge\[search\]\""):
        nbm.search(recipe, {"far": Distance()}, trials=1, **KNOTS)


def test_the_table_is_plain(recipe):
    found = nbm.search(recipe, {"far": Distance()}, {"far": Distance((0, 0))}, trials=3, **KNOTS)
    names = ["trial", "state", "best", "far", "held_out[far]", "weight[ft1]", "weight[ft2]"]
    assert found.table.columns.to_list() == names
    assert json.loads(found.table.to_json())
