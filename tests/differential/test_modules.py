"""Models of several stacks of layers: what we make of a recipe with modules is what mergekit 0.1.5 makes of it."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from safetensors.torch import load_file

from nbmerge.engine.merge import merge
from nbmerge.recipe import Recipe
from tests.encoder_decoders import make_bart, make_t5

pytestmark = pytest.mark.differential

PYTHON = "NBMERGE_MERGEKIT_PYTHON"


def recipes(t5: list[str], bart: list[str]) -> dict[str, dict[str, Any]]:
    """Recipes that mergekit can carry out: T5 by its names of modules, BART by those that it infers."""

    def weighted(models: list[str], *weights) -> list[dict]:
        return [{"model": m, "parameters": {"weight": w}} for m, w in zip(models, weights, strict=True)]

    def piece(*sources) -> dict:
        return {"sources": [{"model": m, "layer_range": [a, b]} for m, a, b in sources]}

    filtered = [{"filter": "SelfAttention", "value": [0.2, 0.9]}, {"value": 0.4}]
    return {
        "whole": {"merge_method": "linear", "models": weighted(t5, [0, 1], [1, 0.5], 0.3)},
        "whole-bart": {"merge_method": "linear", "models": weighted(bart, [0.2, 1], [1, 0.5])},
        "each": {"merge_method": "linear", "modules": {
            "encoder": {"models": weighted(t5, [0, 1], [1, 0.5], 0.3)},
            "decoder": {"models": weighted(t5, 0.2, [0.1, 0.9], 0.5)}, "shared": {"models": weighted(t5, 0.2, 0.3, 0.5)},
        }},
        "levels": {"merge_method": "ties", "base_model": t5[0], "parameters": {"weight": 0.7, "density": 0.6}, "modules": {
            "encoder": {"models": [{"model": m} for m in t5[1:]], "parameters": {"weight": filtered}},
            "decoder": {"models": weighted(t5[1:], filtered[:1], [0.3, 0.1])}, "shared": {"models": [{"model": t5[1]}]},
        }},
        "slices": {"merge_method": "linear", "parameters": {"weight": [0.5, 1]}, "modules": {
            "encoder": {"slices": [piece((t5[0], 0, 2), (t5[1], 0, 2)), piece((t5[2], 1, 3), (t5[0], 1, 3))]},
            "decoder": {"models": weighted(t5, 0.2, [0.1, 0.9], 0.5)}, "shared": {"models": weighted(t5[:2], 1, 2)},
        }},
        "slerp-bart": {"merge_method": "slerp", "base_model": bart[0], "modules": {
            "model.encoder.layers": {"models": [{"model": bart[1]}], "parameters": {"t": [0, 1]}},
            "model.decoder.layers": {"models": [{"model": m} for m in bart], "parameters": {"t": [1, 0]}},
            "default": {"models": [{"model": bart[1]}], "parameters": {"t": 0.25}},
        }},
        "stacked-bart": {"merge_method": "passthrough", "modules": {
            "model.encoder.layers": {"models": [{"model": bart[1]}]},
            "model.decoder.layers": {"slices": [piece((bart[0], 0, 2)), piece((bart[1], 0, 3))]},
            "default": {"models": [{"model": bart[1]}]},
        }},
    }  # fmt: skip


NAMES = tuple(recipes(["a"] * 3, ["b"] * 2))


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> dict[str, dict[str, Any]]:
    """The recipes over real folders."""
    folder = tmp_path_factory.mktemp("stacks")
    return recipes(make_t5(folder / "t5"), make_bart(folder / "bart"))


@pytest.fixture(scope="module")
def merged(made, tmp_path_factory) -> Path:
    """A folder with mergekit's result of every recipe as it is, and of what we export of it."""
    python = os.environ.get(PYTHON)
    if not python:
        pytest.skip(f"{PYTHON} names no Python with mergekit 0.1.5 (pip install torch==2.13.0 mergekit==0.1.5)")
    folder = tmp_path_factory.mktemp("modules")
    texts = {f"raw-{name}": yaml.safe_dump(data, sort_keys=False) for name, data in made.items()}
    texts |= {f"export-{name}": Recipe.of(data).to_mergekit().text for name, data in made.items()}
    (folder / "recipes.json").write_text(json.dumps(texts))
    script = Path(__file__).parent / "recipes_oracle.py"
    environment = {**os.environ, "HF_HUB_OFFLINE": "1"}
    subprocess.run([python, str(script), str(folder)], check=True, capture_output=True, text=True, env=environment)
    return folder


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("form", "dialect"), [("raw", "mergekit-0.1"), ("export", None)])
def test_the_result_is_mergekits(form, dialect, name, made, merged, tmp_path):
    errors = json.loads((merged / "errors.json").read_text())
    assert f"{form}-{name}" not in errors, errors
    merge(Recipe.load(made[name], dialect=dialect), tmp_path / "ours", threads=1)
    ours, theirs = (load_file(f / "model.safetensors") for f in (tmp_path / "ours", merged / f"{form}-{name}"))
    assert ours.keys() == theirs.keys()
    off = {k: float((ours[k] - theirs[k]).abs().max()) for k in ours}
    assert max(off.values()) <= 1e-6, max(off, key=off.get)
