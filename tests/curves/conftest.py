from __future__ import annotations

import pytest

from nbmerge.recipe import Recipe
from tests.models import Family, gradient_recipe


@pytest.fixture
def recipe(deep_family: Family) -> Recipe:
    return gradient_recipe(deep_family)


@pytest.fixture(autouse=True)
def _shapes_of_its_own(tmp_path, monkeypatch):
    monkeypatch.setenv("NBMERGE_PRESETS", str(tmp_path / "presets.yml"))
