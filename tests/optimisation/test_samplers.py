"""Samplers: what is refused before any trial is scored."""

import sys

import pytest

import nbmerge as nbm
from nbmerge.errors import ArgumentError
from tests.optimisation.conftest import Distance


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
