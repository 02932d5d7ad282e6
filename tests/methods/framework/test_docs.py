"""docs/methods.md says what the methods say."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[3] / "docs"


@pytest.fixture
def make():
    return runpy.run_path(str(DOCS / "make_methods.py"))


def test_the_page_is_up_to_date(make):
    text = (DOCS / "methods.md").read_text(encoding="utf-8")
    assert make["page"]() == text, "run: python docs/make_methods.py"
