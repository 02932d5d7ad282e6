"""Recipes and panels on the tiny family; no kernel and no browser is needed for widgets to hold values."""

from __future__ import annotations

import pytest

from nbmerge.recipe import Recipe
from nbmerge.widgets.state.studio_state import StudioState
from tests.models import Family


@pytest.fixture
def recipe(deep_family: Family) -> Recipe:
    first, second = deep_family.ft1, deep_family.ft2
    return Recipe.of({
        "merge_method": "task_arithmetic",
        "base_model": str(deep_family.base),
        "models": [
            {"model": str(first), "parameters": {"weight": [0.0, 0.5, 1.0]}},
            {"model": str(second), "parameters": {"weight": 0.3}},
        ],
    })  # fmt: skip


@pytest.fixture
def state(recipe: Recipe) -> StudioState:
    return StudioState(recipe)


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path, monkeypatch):
    """Panels offer "merged" in the current folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NBMERGE_PRESETS", str(tmp_path / "presets.yml"))
