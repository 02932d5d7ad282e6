"""`nbmerge fill-missing`."""

import json

from safetensors.torch import save_file

from tests.bare_weights import make_weights
from tests.cli.commands import run


def test_a_part_is_put_into_the_whole(tmp_path):
    part, whole = make_weights(tmp_path / "part.safetensors"), make_weights(tmp_path / "whole.safetensors", 1)
    found = json.loads(run("fill-missing", part, whole, tmp_path / "out.safetensors", "--json").stdout)
    assert found["ok"]
    assert found["tensors"] == 11
    assert "out-2.safetensors: 11 tensors" in run("fill-missing", part, whole, tmp_path / "out-2.safetensors").stdout
    save_file({"other.w": make_tensor()}, part)
    refused = run("fill-missing", part, whole, tmp_path / "out-3.safetensors")
    assert refused.exit_code == 1
    assert "would be lost" in refused.stderr


def make_tensor():
    import torch

    return torch.zeros(2)
