"""`nbmerge extract-lora` and `nbmerge merge-adapters`."""

import json

from tests.adapters import Q, make_adapter, modules
from tests.cli.commands import run


def test_an_adapter_is_extracted_as_text_and_json(family, tmp_path):
    shown = run("extract-lora", family.ft1, family.base, tmp_path / "one", "--rank", "4")
    assert shown.exit_code == 0
    assert "rank 4 in " in shown.stdout
    assert "all: rank 1 holds " in shown.stdout
    found = json.loads(
        run("extract-lora", family.ft1, family.base, tmp_path / "two", "--energy", "0.5", "--json").stdout
    )
    assert found["ok"]
    assert {row["way"] for row in found["tensors"]} == {"lora", "saved"}
    refused = run("extract-lora", family.ft1, family.base, tmp_path / "one", "--rank", "4")
    assert refused.exit_code == 1
    assert "overwrite" in refused.stderr


def test_adapters_are_merged_as_text_and_json(family, tmp_path):
    adapters = [make_adapter(tmp_path / x, family.base, modules(Q), seed=i) for i, x in enumerate("ab")]
    weights = "--weight", "0.7", "--weight", "-0.3"
    shown = run("merge-adapters", *adapters, tmp_path / "one", *weights, "--rank", "3")
    assert shown.exit_code == 0
    assert "rank 3 in 3 modules" in shown.stdout
    assert "all: rank 1 holds " in shown.stdout
    thinned = "--method", "ties_svd", "--density", "0.5"
    found = json.loads(run("merge-adapters", *adapters, tmp_path / "two", *thinned, "--json").stdout)
    assert found["ok"]
    assert {row["way"] for row in found["tensors"]} == {"lora"}
    refused = run("merge-adapters", *adapters, tmp_path / "three", "--method", "tie_svd")
    assert refused.exit_code == 1
    assert "Did you mean 'ties_svd'?" in refused.stderr
