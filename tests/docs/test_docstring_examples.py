"""Every example in a docstring is run, and its output compared."""

from __future__ import annotations

import doctest
import importlib
from pathlib import Path
from typing import Any

import pytest

import nbmerge as nbm
from nbmerge.methods.framework import registry
from nbmerge.recipe import Recipe

PACKAGE = Path(nbm.__file__).parent
MODULES = sorted(
    ".".join(file.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__")
    for file in PACKAGE.rglob("*.py")
    if "\n    >>> " in file.read_text(encoding="utf-8") or "\n>>> " in file.read_text(encoding="utf-8")
)
SLOW = ("nbmerge.sampling.latest_request", "nbmerge.widgets.studio", "nbmerge.demo")
"""Modules whose examples load models."""


def names() -> dict[str, Any]:
    """What examples may use beside the names of their module."""
    recipe = Recipe.load("recipe.yml")
    halves = Recipe.of({"merge_method": "slerp", "base_model": "base", "models": ["pirate"], "parameters": {"t": 0.75}})
    linear = Recipe.of(
        {
            "merge_method": "linear",
            "models": [
                {"model": "base", "parameters": {"weight": 1}},
                {"model": "pirate", "parameters": {"weight": 3}},
            ],
        }
    )
    return {
        "nbm": nbm, "recipe": recipe, "slerp": halves, "plan": nbm.plan(linear), "model": "pirate", "prompts": ["a"],
    }  # fmt: skip


def examples(name: str) -> list[doctest.DocTest]:
    module = importlib.import_module(name)
    found = doctest.DocTestFinder(exclude_empty=True).find(module, name, module, extraglobs=names())
    return [test for test in found if test.examples]


def test_there_are_examples():
    assert len(MODULES) >= 5


@pytest.mark.parametrize(
    "name", [pytest.param(m, marks=[pytest.mark.slow] if m.startswith(SLOW) else []) for m in MODULES]
)
@pytest.mark.usefixtures("documented")
@pytest.mark.slow
def test_examples_run(name: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(registry, "_methods", dict(registry._methods))
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    tests = examples(name)
    assert tests
    for test in tests:
        assert not [e for e in test.examples if e.options.get(doctest.SKIP)], f"{test.name} is skipped"
        output: list[str] = []
        assert runner.run(test, out=output.append).failed == 0, "".join(output)
