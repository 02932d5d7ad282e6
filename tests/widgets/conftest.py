"""Recipes and panels on the tiny family; no kernel and no browser is needed for widgets to hold values."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from weakref import WeakSet

import pytest

from nbmerge.recipe import Recipe
from nbmerge.widgets.state import merging, studio_state
from nbmerge.widgets.state.studio_state import StudioState
from tests.models import Family, gradient_recipe


@pytest.fixture
def recipe(deep_family: Family) -> Recipe:
    return gradient_recipe(deep_family)


@pytest.fixture
def state(recipe: Recipe) -> StudioState:
    return StudioState(recipe)


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path, monkeypatch):
    """Panels offer "merged" in the current folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NBMERGE_PRESETS", str(tmp_path / "presets.yml"))


@pytest.fixture(autouse=True)
def _however_long_the_machine_stops(monkeypatch):
    """Moves of a slider are one step of the history, although they come late, and closing waits for stopped work to end."""
    monkeypatch.setattr(studio_state, "PAUSE", 3600.0)
    monkeypatch.setattr(studio_state, "PATIENCE", 60.0)


@pytest.fixture(autouse=True)
def _no_forecast_is_measured_after_a_test(monkeypatch) -> Iterator[None]:
    """One begins some time after a panel was drawn: in another test, whose processor, threads and activities it would share."""
    timers: WeakSet[threading.Timer] = WeakSet()  # one that has ended holds a plan

    class Timer(threading.Timer):
        def start(self) -> None:
            timers.add(self)
            super().start()

    monkeypatch.setattr(merging.threading, "Timer", Timer)
    yield
    for timer in list(timers):
        timer.cancel()
        timer.join(20)
