"""Mixtures built by mergekit-moe and by nbmerge from the same file: experts are equal, routers up to its rounding to bfloat16."""

import os
import subprocess
from pathlib import Path

import pytest
import torch

import nbmerge as nbm
from tests.differential.conftest import PYTHON
from tests.models import make_model, read_tensors

pytestmark = pytest.mark.differential

PROMPTS = (
    "positive_prompts: [a recipe, how to cook]\n    negative_prompts: [an integral]",
    "positive_prompts: [the proof of a theorem, numbers]\n    residual_scale: 0.5",
)


@pytest.fixture(scope="module")
def program() -> Path:
    python = os.environ.get(PYTHON)
    if not python:
        pytest.skip(f"{PYTHON} names no Python with mergekit 0.1.5")
    return Path(python).with_name("mergekit-moe")


def build(program, folder, kind, mode, shared=False):
    """The same file by both programs: their tensors, ours as transformers stacks them."""
    base = make_model(folder / "base", layers=2, architecture=kind)
    models = [make_model(folder / f"ft{i}", base=base, seed=i + 1) for i in range(2)]
    experts = "".join(f"  - source_model: {m}\n    {p}\n" for m, p in zip(models, PROMPTS, strict=True))
    text = f"base_model: {base}\ngate_mode: {mode}\ndtype: float32\nexperts:\n{experts}"
    if shared:
        text += f"shared_experts:\n  - source_model: {base}\n    positive_prompts: [anything]\n"
    (folder / "moe.yml").write_text(text)
    command = [str(program), str(folder / "moe.yml"), str(folder / "theirs"), "--device", "cpu"]
    subprocess.run(command, check=True, capture_output=True, env=os.environ | {"HF_HUB_OFFLINE": "1"})
    nbm.moe(folder / "moe.yml", folder / "ours", progress=False)
    return stack(read_tensors(folder / "theirs")), stack(read_tensors(folder / "ours"))


def stack(tensors):
    """Tensors with the names and shapes of transformers' models, whatever the file has."""
    found, experts = {}, {}
    for name, tensor in tensors.items():
        before, _, after = name.replace("block_sparse_moe", "mlp").partition(".mlp.experts.")
        number, _, part = after.partition(".")
        if number.isdigit():
            part = {"w1": "gate_proj", "w2": "down_proj", "w3": "up_proj"}.get(part.split(".")[0], part.split(".")[0])
            experts.setdefault(before, {})[int(number), part] = tensor
        else:
            found[name.replace("block_sparse_moe", "mlp")] = tensor
    for before, parts in experts.items():
        count = 1 + max(number for number, _ in parts)
        up = [torch.cat([parts[i, "gate_proj"], parts[i, "up_proj"]]) for i in range(count)]
        found[f"{before}.mlp.experts.gate_up_proj"] = torch.stack(up)
        found[f"{before}.mlp.experts.down_proj"] = torch.stack([parts[i, "down_proj"] for i in range(count)])
    return found


@pytest.mark.parametrize(
    ("kind", "mode", "shared"),
    [
        ("llama", "hidden", False),
        ("llama", "cheap_embed", False),
        ("qwen2", "hidden", True),
        ("qwen3", "hidden", False),
    ],
)
def test_the_tensors_are_equal(program, tmp_path, kind, mode, shared):
    theirs, ours = build(program, tmp_path, kind, mode, shared)
    assert ours.keys() == theirs.keys()
    for name, tensor in ours.items():
        if "gate.weight" not in name:
            assert torch.equal(tensor, theirs[name]), name
            continue
        reference = theirs[name].reshape(tensor.shape)
        if mode == "cheap_embed":
            torch.testing.assert_close(tensor, reference, rtol=1e-5, atol=1e-6)
        else:  # mergekit evaluates the base model in bfloat16
            cosine = torch.nn.functional.cosine_similarity(tensor, reference)
            assert cosine.min() > 0.999, (name, cosine)
