"""What the script of pages is tested with is what Python computes; in a browser, `tests/browser/test_page.py` compares both."""

from __future__ import annotations

import json

import pytest

from nbmerge.pages.contents import listed
from nbmerge.recipe.yaml_text import parse_yaml
from tests.pages.vectors import FILE, list_recipes, make_vectors


def test_the_vectors_of_the_script_are_those_of_python():
    kept = json.loads(FILE.read_text(encoding="utf-8"))
    made = json.loads(json.dumps(make_vectors()))
    assert kept.keys() == made.keys()
    for name in kept:
        assert len(kept[name]) == len(made[name])
        for one, other in zip(kept[name], made[name], strict=True):
            assert one.keys() == other.keys()
            for key in one:
                if key == "expected" and name in ("coefficients", "values"):
                    assert one[key] == pytest.approx(other[key], rel=1e-12), "python -m tests.pages.vectors"
                elif key != "gram":
                    assert one[key] == other[key], "python -m tests.pages.vectors"


def test_recipes_that_the_script_writes_are_read_as_they_are_meant():
    written = json.loads(FILE.with_name("yaml.json").read_text(encoding="utf-8"))
    for data, case in zip(list_recipes(), written, strict=True):
        assert case["plain"] == json.loads(json.dumps(listed(data)))
        ((found, _),) = parse_yaml(case["text"])
        assert as_json(found) == as_json(data)


def as_json(data: object) -> object:
    """With texts as keys, and numbers that YAML 1.1 takes for texts, as recipes read both."""
    if isinstance(data, dict):
        return {str(key): as_json(value) for key, value in data.items()}
    if isinstance(data, list):
        return [as_json(entry) for entry in data]
    return float(data) if data == "1e-7" else data
