"""The whole way in the terminal: another process, whose huggingface_hub has the Hub's address from HF_ENDPOINT."""

import json

import pytest
import torch

from tests.models import read_tensors


@pytest.mark.slow
def test_check_merge_and_back(hub, command, sharded, tmp_path, cache):
    base, ft1 = hub.add("org/base", sharded.base), hub.add("me/ft1", sharded.ft1, private=True)
    recipe = tmp_path / "recipe.yml"
    recipe.write_text("merge_method: linear\nmodels: [org/base, me/ft1@main]\nparameters: {weight: [1, 0.25]}\n")
    refused = command("check", recipe)
    assert refused.returncode == 1
    assert "hf auth login" in refused.stdout
    login = {"HF_TOKEN": hub.token}

    checked = command("check", recipe, "--json", "--out", tmp_path / "out", **login)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    forecast = json.loads(checked.stdout)["forecast"]
    total = sum(p.stat().st_size for f in (sharded.base, sharded.ft1) for p in f.glob("*.safetensors"))
    assert forecast["bytes_downloaded"] == total
    assert [(d["model"], d["commit"]) for d in forecast["downloads"]] == [("org/base", base), ("me/ft1", ft1)]
    assert hub.sent("/storage/") < total / 3
    assert not list(cache.rglob("*.safetensors"))

    merged = command("merge", recipe, tmp_path / "out", **login)
    assert merged.returncode == 0, merged.stderr
    assert f"me/ft1@{ft1}" in (tmp_path / "out" / "nbmerge_recipe.yml").read_text()
    offline = command("merge", tmp_path / "out" / "nbmerge_recipe.yml", tmp_path / "again", HF_HUB_OFFLINE="1")
    assert offline.returncode == 0, offline.stderr
    one, other = read_tensors(tmp_path / "out"), read_tensors(tmp_path / "again")
    assert all(torch.equal(one[n], other[n]) for n in one)
    for written in (merged.stdout, merged.stderr, *(p.read_text() for p in (tmp_path / "out").glob("*.[ymj]*"))):
        assert hub.token not in written
