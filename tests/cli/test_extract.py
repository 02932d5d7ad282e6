"""`nbmerge extract-lora`."""

import json

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
