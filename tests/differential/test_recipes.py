"""Whole recipes: what we make of one is what mergekit 0.1.5 makes of its export."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
import yaml
from safetensors.torch import load_file

from nbmerge.engine.merge import merge
from nbmerge.recipe import Recipe
from tests.differential.recipes import GLOBAL, as_people_write, recipes
from tests.models import Family, make_model

pytestmark = pytest.mark.differential

PYTHON = "NBMERGE_MERGEKIT_PYTHON"
NAMES = [*(f"{method}-{i}" for method in GLOBAL for i in range(4)), "layers-slerp", "layers-linear"]
RAW = [*(f"raw-{method}-{i}" for method in GLOBAL for i in (0, 1)), "raw-uneven-0"]
UNCLAIMED = ("model_stock", "sce")
"""Methods whose exports claim nothing, since mergekit does something else with some weights; not with these."""
TOLERANCE = 1e-6
ITERATED = {"karcher": 1e-5, "multislerp": 1e-5, "nuslerp": 1e-5}
"""Methods that mergekit computes through angles or unit vectors in float32, where we do so in float64."""
FLIPPED = {"arcee_fusion": 0.03}
"""Share of elements that may lie on the other side of a threshold that both compute, but not to the last digit."""


@pytest.fixture(scope="module")
def kin(tmp_path_factory) -> Family:
    """Models of 6 layers whose changes point the same way: one is a fine-tune of the other."""
    folder = tmp_path_factory.mktemp("kin")
    base = make_model(folder / "base", layers=6, seed=1, tokenizer=False)
    ft1 = make_model(folder / "ft1", base=base, seed=2, tokenizer=False)
    return Family(base, ft1, make_model(folder / "ft2", base=ft1, seed=3, tokenizer=False))


@pytest.fixture(scope="module")
def merged(kin, tmp_path_factory) -> Path:
    """A folder with mergekit's result of every recipe's export, made in one process."""
    python = os.environ.get(PYTHON)
    if not python:
        pytest.skip(f"{PYTHON} names no Python with mergekit 0.1.5 (pip install torch==2.13.0 mergekit==0.1.5)")
    folder = tmp_path_factory.mktemp("recipes")
    exports = {name: Recipe.of(data).to_mergekit() for name, data in recipes(kin).items()}
    assert all(e.same for n, e in exports.items() if n.split("-")[0] not in UNCLAIMED)
    raw = {name: yaml.safe_dump(data) for name, data in as_people_write(kin).items()}
    (folder / "recipes.json").write_text(json.dumps({name: e.text for name, e in exports.items()} | raw))
    script = Path(__file__).parent / "recipes_oracle.py"
    environment = {**os.environ, "HF_HUB_OFFLINE": "1"}
    subprocess.run([python, str(script), str(folder)], check=True, capture_output=True, text=True, env=environment)
    return folder


def compare(name: str, recipe: Recipe, merged: Path, tmp_path: Path) -> None:
    """Refuse any difference between our result and mergekit's."""
    errors = json.loads((merged / "errors.json").read_text())
    assert name not in errors, errors.get(name)
    merge(recipe, tmp_path / "ours", threads=1)
    ours, theirs = (load_file(folder / "model.safetensors") for folder in (tmp_path / "ours", merged / name))
    assert ours.keys() == theirs.keys()
    assert all(ours[k].dtype == theirs[k].dtype for k in ours)
    method = recipe.merge_method
    off = {k: (ours[k] - theirs[k]).abs() > ITERATED.get(method, TOLERANCE) for k in ours}
    count = sum(int(o.sum()) for o in off.values())
    assert count <= FLIPPED.get(method, 0) * sum(o.numel() for o in off.values()), [
        k for k, o in off.items() if o.any()
    ]


@pytest.mark.parametrize("name", NAMES)
def test_export_run_by_mergekit_is_our_result(name, merged, kin, tmp_path):
    compare(name, Recipe.of(recipes(kin)[name]), merged, tmp_path)


@pytest.mark.parametrize("name", RAW)
def test_read_in_its_dialect_a_recipe_is_what_mergekit_makes_of_it(name, merged, kin, tmp_path):
    compare(name, Recipe.load(as_people_write(kin)[name], dialect="mergekit-0.1"), merged, tmp_path)
