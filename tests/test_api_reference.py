"""docs/api.md describes every public name and follows the docstrings."""

from __future__ import annotations

import inspect
import runpy
from pathlib import Path

import pytest

import nbmerge
from nbmerge import errors, sampling, statistics

DOCS = Path(__file__).parents[1] / "docs"


@pytest.fixture(scope="module")
def script() -> dict:
    return runpy.run_path(str(DOCS / "make_api.py"))


def test_the_page_follows_the_docstrings(script):
    assert (DOCS / "api.md").read_text(encoding="utf-8") == script["build_page"](), "run: python docs/make_api.py"


def test_the_page_has_every_public_name(script):
    assert set(script["list_names"]("nbmerge")) == set(nbmerge.__all__)
    for module in (sampling, statistics):
        assert set(module.__all__) <= set(script["list_names"](module.__name__)) | set(nbmerge.__all__)
    classes = {
        name for name, value in vars(errors).items() if inspect.isclass(value) and value.__module__ == errors.__name__
    }
    assert set(script["list_names"]("nbmerge.errors")) == classes


def test_every_parameter_is_documented():
    missing = {}
    for name, thing in ((name, getattr(nbmerge, name)) for name in nbmerge.__all__):
        if inspect.isfunction(thing):
            described = inspect.getdoc(thing).partition("Parameters\n")[2]
            missing[name] = {p for p in inspect.signature(thing).parameters if p not in described}
    assert not {name: parameters for name, parameters in missing.items() if parameters}


def test_docstrings_become_markdown(script):
    page = script["_to_markdown"](
        "Does ``x``.\n\nParameters\n----------\na, b : int, optional\n    The\n    numbers.\nc\n"
    )
    assert page == "Does `x`.\n\n**Parameters**\n\n- `a, b` (int, optional): The numbers.\n- `c`\n"
