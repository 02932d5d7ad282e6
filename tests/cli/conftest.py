"""The recipe that most commands are tried with."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.models import Family


@pytest.fixture
def recipe(family: Family, tmp_path: Path) -> Path:
    text = f"""\
merge_method: task_arithmetic
base_model: {family.base}
models:
  - model: {family.ft1}
    parameters: {{weight: [0, 0.5, 1]}}
  - model: {family.ft2}
    parameters: {{weight: 0.3}}
"""
    file = tmp_path / "recipe.yml"
    file.write_text(text)
    return file
