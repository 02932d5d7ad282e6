"""Ancestors are read from recipes, cards and configs, and followed as far as they are on this machine."""

import json

import pytest

import nbmerge as nbm
from nbmerge.errors import CheckpointError
from nbmerge.statistics.structure import trace_lineage
from tests.models import make_model


def test_a_merge_its_parents_and_their_card(family, tmp_path):
    one = make_model(tmp_path / "one", base=family.base, seed=1)
    (one / "README.md").write_text(f"---\nbase_model: {family.base}\n---\n# One")
    recipe = {
        "merge_method": "task_arithmetic", "base_model": str(family.base), "parameters": {"weight": 0.5},
        "models": [str(one), str(family.ft2)],
    }  # fmt: skip
    whole = nbm.merge(recipe, tmp_path / "whole", progress=False).path
    found = trace_lineage(whole)
    steps = {(s.model, s.parent): s.relation for s in found.steps}
    assert steps == {
        (str(whole), str(one)): "merged from",
        (str(whole), str(family.ft2)): "merged from",
        (str(whole), str(family.base)): "base of the merge",
        (str(one), str(family.base)): "fine-tuned from",
    }
    assert found.roots == (str(family.ft2), str(family.base))
    assert [depth for depth, *_ in found.lines()] == [0, 1, 2, 1, 1]
    assert "task_arithmetic" in found._repr_html_()
    assert found.table["method"][0] == "task_arithmetic"
    assert found.plot(theme="light").axes


@pytest.mark.parametrize(
    ("card", "expected"),
    [
        ("---\nbase_model: [a/b, c/d]\ntags: [merge]\n---", [("a/b", "merged from"), ("c/d", "merged from")]),
        ("---\nbase_model: a/b\nbase_model_relation: quantized\n---", [("a/b", "quantised from")]),
        ("---\nbase_model: {a: b}\n---", []),
        ("---\n[[[[\n---", []),
        ("no front matter", []),
    ],
)
def test_cards(tmp_path, card, expected):
    model = make_model(tmp_path / "model", layers=1)
    (model / "README.md").write_text(card)
    assert [(s.parent, s.relation) for s in trace_lineage(model).steps] == expected


def test_configs_and_circles(tmp_path):
    one, two = (make_model(tmp_path / name, layers=1) for name in ("one", "two"))
    for own, other in ((one, two), (two, one)):
        config = json.loads((own / "config.json").read_text()) | {"_name_or_path": str(other)}
        (own / "config.json").write_text(json.dumps(config))
    found = trace_lineage(one)
    assert [(s.model, s.parent) for s in found.steps] == [(str(one), str(two)), (str(two), str(one))]
    assert len(list(found.lines())) == 3
    assert found.roots == ()


def test_no_such_model(tmp_path):
    with pytest.raises(CheckpointError, match="neither a folder nor a model in the cache"):
        trace_lineage(tmp_path / "nowhere")
