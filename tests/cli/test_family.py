"""`nbmerge family` and `nbmerge lineage`."""

import json

from tests.cli.commands import run
from tests.models import make_model


def test_family_as_text_and_json(family, tmp_path):
    copy = make_model(tmp_path / "copy", base=family.base, noise=0.0)
    shown = run("family", family.base, family.ft1, copy).stdout
    assert "base and copy have the same weights." in shown
    assert "base, copy: cosine 1.0000, distance 0.00 %, equal elements 100.00 %" in shown
    found = json.loads(run("family", family.base, copy, "--json").stdout)
    assert found["findings"][0]["kind"] == "identical"
    assert found["pairs"][0]["equal"] == 1.0
    near = make_model(tmp_path / "near", base=family.base, noise=0.005)
    assert "Fine-tunes of one model" in run("family", family.base, near).stdout
    assert run("family", family.base).exit_code == 1


def test_lineage_as_text_and_json(family, tmp_path):
    model = make_model(tmp_path / "model", base=family.base)
    (model / "README.md").write_text("---\nbase_model: some/base\n---")
    assert run("lineage", model).stdout.splitlines()[1].strip().startswith("some/base  [fine-tuned from")
    assert json.loads(run("lineage", model, "--json").stdout)[0]["parent"] == "some/base"
