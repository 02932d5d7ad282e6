"""Searches: what is refused before any trial is scored, and what is left after the last."""

import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

import nbmerge as nbm
from nbmerge.errors import ArgumentError
from nbmerge.evaluation import TaskScore
from tests.optimisation.conftest import Distance


def test_a_task_that_cannot_be_run_is_refused_before_the_first_trial(recipe, monkeypatch):
    monkeypatch.setitem(sys.modules, "lm_eval", None)
    monkeypatch.setattr("nbmerge.optimisation.objective.live", lambda *args, **kwargs: pytest.fail("merged"))
    with pytest.raises(ArgumentError, match="lm-evaluation-harness"):
        nbm.search(recipe, {"task": TaskScore("arc_easy")})


def test_threads_of_an_executor_keep_no_merge_after_the_search(recipe):
    merges = []

    def note(merge):
        merges.append(merge)
        return 1.0

    with ThreadPoolExecutor(2) as pool:
        nbm.search(recipe, {"one": note}, trials=3, knots=1, executor=pool, progress=False)
    assert merges[-1].closed


@pytest.mark.parametrize(
    ("options", "error", "what"),
    [
        ({"seed": -1}, ArgumentError, "seed is a whole number of at least 0, not -1"),
        ({"seed": "1"}, ArgumentError, "seed is a whole number of at least 0, not '1'"),
        ({"sampler": "cmaes"}, ArgumentError, "needs the package cmaes"),
        ({"executor": object()}, TypeError, "executor must be"),
    ],
)
def test_what_a_later_trial_needs_is_checked_first(recipe, tmp_path, monkeypatch, options, error, what):
    monkeypatch.setitem(sys.modules, "cmaes", None)
    monkeypatch.setattr("nbmerge.optimisation.objective.live", lambda *args, **kwargs: pytest.fail("merged"))
    with pytest.raises(error, match=what):
        nbm.search(recipe, {"far": Distance()}, storage=tmp_path / "search.db", **options)
    assert not list(tmp_path.iterdir())
