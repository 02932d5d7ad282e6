"""Recipes and panels on the tiny family; no kernel and no browser is needed for widgets to hold values."""

from __future__ import annotations

import pytest

from nbmerge.recipe import Recipe
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
