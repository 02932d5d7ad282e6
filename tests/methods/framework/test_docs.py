"""docs/methods.md says what the methods say."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

from nbmerge.methods.framework import registry

DOCS = Path(__file__).parents[3] / "docs"


@pytest.fixture
def make():
    return runpy.run_path(str(DOCS / "make_methods.py"))


def test_the_page_is_up_to_date(make):
    text = (DOCS / "methods.md").read_text(encoding="utf-8")
    assert make["page"]() == text, "run: python docs/make_methods.py"


def test_the_examples_run(monkeypatch):
    monkeypatch.setattr(registry, "_methods", dict(registry._methods))
    text = (DOCS / "methods.md").read_text(encoding="utf-8")
    for block in text.split("```python\n")[1:]:
        exec(block.split("```")[0], {})
    assert {"halfway", "capped"} <= set(registry._methods)
