"""mergekit's smaller programs beside the functions that do the same."""

import json
import os
import subprocess
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file, save_file

from nbmerge.engine.compute_tensors import compute_tensors
from nbmerge.engine.fill_missing import fill_missing
from nbmerge.engine.shuffle import shuffle_layers
from nbmerge.recipe import Recipe
from tests.bare_weights import make_weights
from tests.differential.conftest import PYTHON
from tests.models import make_model, read_tensors

pytestmark = pytest.mark.differential


@pytest.fixture(scope="module")
def python():
    found = os.environ.get(PYTHON)
    if not found:
        pytest.skip(f"{PYTHON} names no Python with mergekit 0.1.5")
    return found


def described(recipe):
    """A shuffled recipe without what is random: method, dtype, layers in order, and which models were drawn from."""
    sources = [piece.sources for piece in recipe.slices]
    assert all(len(s) == 1 for s in sources)
    layers = [i for (s,) in sources for i in range(*s.layer_range)]
    return recipe.merge_method, recipe.dtype, layers, {s.model for (s,) in sources}


@pytest.mark.parametrize("full", [False, True])
def test_shuffled_layers(python, tmp_path, full):
    """Only the shape is compared: mergekit draws from a generator that has no seed."""
    a = make_model(tmp_path / "a", layers=12, hidden=8, intermediate=8, heads=2)
    b = make_model(tmp_path / "b", base=a)
    script = Path(__file__).parent / "layershuffle_oracle.py"
    options = ["-w", "0.5", "-w", "0.5", "--fp16", "--dry-run", "--write-yaml", str(tmp_path / "theirs.yml")]
    command = [python, str(script), "out", "-m", str(a), "-m", str(b), *options, *(["--full-random"] if full else [])]
    subprocess.run(command, check=True, capture_output=True, cwd=tmp_path, env=os.environ | {"HF_HUB_OFFLINE": "1"})
    theirs = described(Recipe.load(tmp_path / "theirs.yml"))
    ours = described(shuffle_layers([a, b], weights=[0.5, 0.5], full_random=full, dtype="float16", seed=1))
    if full:
        # Of a model that is to give half of its layers, mergekit draws from the first half only.
        assert (theirs[:2], len(theirs[2])) == (ours[:2], len(ours[2])) == (("passthrough", "float16"), 12)
        assert max(theirs[2]) < 6 <= max(ours[2])
    else:
        assert theirs == ours


def test_missing_tensors_are_filled_in(python, tmp_path):
    part = make_model(tmp_path / "part", layers=2)
    whole = tmp_path / "whole"
    whole.mkdir()
    tensors = {f"language_model.{n}": torch.zeros_like(t) for n, t in read_tensors(part).items()}
    save_file({**tensors, "vision_tower.w": torch.ones(3)}, whole / "model.safetensors", metadata={"format": "pt"})
    (whole / "config.json").write_text((part / "config.json").read_text())
    # As a program, it stops because it uses a class before it is defined.
    code = "import sys; from mergekit.scripts.fill_missing_params import *; a, b, out = sys.argv[1:]"
    code += "; copy_and_fill_missing_params(a, b, output_dir=out)"
    command = [python, "-c", code, str(whole), str(part), str(tmp_path / "theirs")]
    subprocess.run(command, check=True, capture_output=True, cwd=tmp_path)
    ours = read_tensors(fill_missing(part, whole, tmp_path / "ours", progress=False).path)
    theirs = read_tensors(tmp_path / "theirs")
    assert set(ours) == set(theirs)
    assert all(torch.equal(tensor, theirs[name]) for name, tensor in ours.items())


# --- bare weights ---

WEIGHT = [{"filter": "attn", "value": 0.75}, {"filter": "conv", "value": 0.5}, {"value": 0.25}]
BARE = {
    "linear": {"weight": WEIGHT},
    "slerp": {"t": WEIGHT},
    "nuslerp": {"weight": WEIGHT},
    "multislerp": {"weight": WEIGHT},
    "task_arithmetic": {"weight": WEIGHT, "lambda": 0.7},
    "ties": {"weight": WEIGHT, "density": [{"filter": "down", "value": 0.3}, {"value": 0.6}]},
    "breadcrumbs": {"weight": WEIGHT, "density": 0.7, "gamma": 0.1},
    "sce": {"select_topk": 0.5},
    "karcher": {},
    "nearswap": {"t": 0.05},
    "passthrough": {"scale": WEIGHT},
}
"""Methods with parameters by filter."""
BASED = {"slerp", "task_arithmetic", "ties", "breadcrumbs", "sce", "nearswap"}
COUNTS = {"slerp": 1, "nearswap": 1, "passthrough": 1}


@pytest.fixture(scope="module")
def merged_files(python, tmp_path_factory):
    """Recipes for weights files by name, and mergekit-pytorch's folder of each."""
    folder = tmp_path_factory.mktemp("bare")
    a = make_weights(folder / "a.safetensors", steps=None)
    files = [make_weights(folder / f"{n}.safetensors", i, base=a, steps=None) for i, n in enumerate("bc", 1)]
    torch.save(load_file(files[0]), folder / "b.pt")  # mergekit lists what is below "state_dict", and cannot read it
    recipes = {
        method: {
            "merge_method": method,
            "models": [str(f) for f in files[: COUNTS.get(method, 2)]],
            "parameters": parameters,
        }
        | ({"base_model": str(a)} if method in BASED else {})
        for method, parameters in BARE.items()
    }
    recipes["torch"] = recipes["linear"] | {"models": [str(folder / "b.pt"), str(files[1])]}
    partly = make_weights(folder / "d.safetensors", 3, base=a, steps=None, norm=None, extra=torch.ones(2, 2))
    for name, field in (("intersection", "leave-out"), ("union", "merge-rest")):
        recipes[name] = recipes["linear"] | {"models": [str(files[0]), str(partly)], "missing_tensors": field}
    theirs = {
        name: {k: v for k, v in r.items() if k != "missing_tensors"} | {"models": [{"model": m} for m in r["models"]]}
        for name, r in recipes.items()
    }
    (folder / "recipes.json").write_text(json.dumps({name: yaml.safe_dump(r) for name, r in theirs.items()}))
    script = Path(__file__).parent / "pytorch_oracle.py"
    subprocess.run([python, str(script), str(folder)], check=True, capture_output=True, cwd=folder)
    assert json.loads((folder / "errors.json").read_text()) == {}
    return recipes, folder


@pytest.mark.parametrize("name", [*BARE, "torch", "intersection", "union"])
def test_weights_files(merged_files, name):
    recipes, folder = merged_files
    theirs = load_file(folder / f"out-{name}" / "model.safetensors")
    ours = compute_tensors(recipes[name], progress=False)
    assert set(ours) == set(theirs)
    for tensor, merged in ours.items():
        torch.testing.assert_close(merged, theirs[tensor], rtol=1e-4, atol=1e-5, msg=lambda m, t=tensor: f"{t}: {m}")
