"""Adapters extracted by mergekit-extract-lora and by nbmerge hold the same share of a fine-tune."""

import os
import subprocess
from pathlib import Path

import pytest
from safetensors.torch import load_file

from nbmerge.adapters import extract_lora
from tests.differential.conftest import PYTHON
from tests.models import make_model, read_tensors

pytestmark = pytest.mark.differential


def held(adapter, deltas):
    """The share of ‖δ‖² of all matrices with factors, from the files."""
    factors = load_file(adapter / "adapter_model.safetensors")
    kept = total = 0.0
    for name, delta in deltas.items():
        stem = f"base_model.model.{name.removesuffix('.weight')}.lora_"
        product = factors[f"{stem}B.weight"].double() @ factors[f"{stem}A.weight"].double()
        total += float(delta.square().sum())
        kept += float(delta.square().sum() - (delta - product).square().sum())
    return kept / total


def test_the_same_share_is_held(tmp_path):
    python = os.environ.get(PYTHON)
    if not python:
        pytest.skip(f"{PYTHON} names no Python with mergekit 0.1.5")
    base = make_model(tmp_path / "base", layers=1, hidden=512, intermediate=640, heads=4, kv_heads=4)
    model = make_model(tmp_path / "ft", base=base, seed=1)
    command = [str(Path(python).with_name("mergekit-extract-lora")), "--max-rank", "16", "--model", str(model)]
    environment = os.environ | {"HF_HUB_OFFLINE": "1"}
    theirs = tmp_path / "theirs"
    subprocess.run(
        [*command, "--base-model", str(base), "--out-path", str(theirs)],
        capture_output=True,
        env=environment,
        check=False,
    )  # its card asks the Hub for the base, after the weights are written
    found = extract_lora(model, base, tmp_path / "ours", rank=16, dtype="float32")
    one, other = read_tensors(base), read_tensors(model)
    deltas = {name: other[name].double() - one[name].double() for name in found.ranks}
    ours = held(tmp_path / "ours", deltas)
    assert ours == pytest.approx(held(theirs, deltas), rel=0.01)
    assert ours == pytest.approx(found.kept([16]).loc["all", 16], rel=1e-4)
