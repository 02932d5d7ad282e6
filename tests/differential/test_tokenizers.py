"""Vocabularies: row for row what mergekit 0.1.5 makes of the same recipe, whatever order its tokens come in."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer

from nbmerge.engine.merge import merge
from nbmerge.recipe import Recipe
from tests.tokenizers.makers import KINDS, model, train, with_added

pytestmark = pytest.mark.differential

PYTHON = "NBMERGE_MERGEKIT_PYTHON"
EMBED, HEAD = "model.embed_tokens.weight", "lm_head.weight"
ADDED = {"base": (), "a": ("<|x|>", "<|shared|>"), "b": ("<|shared|>", "<|y|>")}
WEIGHTS = {"base": 0.2, "a": 0.5, "b": 0.3}
METHODS = ("linear", "ties", "task_arithmetic", "slerp")
SOURCES = ("union", "base", "a")


def rules(folder: Path, kind: str) -> dict:
    """What single tokens become: another's row by text and by number, a model's own, zeros; forced and not."""
    other = {"kind": "model_token", "model": str(folder / kind / "base")}
    return {
        "<|x|>": {"source": {**other, "token": "</s>"}, "force": True},
        "<|shared|>": {"source": {**other, "token_id": 5}},
        "<|y|>": {"source": {"kind": "zero"}, "force": True},
        "</s>": {"source": str(folder / kind / "a"), "force": True},
    }


def recipes(folder: Path) -> dict[str, dict]:
    """Every recipe, by name."""
    made = {}
    for kind in KINDS:
        for method in METHODS:
            for source in SOURCES:
                made[f"{kind}-{method}-{source}"] = recipe(folder, kind, method, {"source": source})
        tokenizer = {"source": "union", "tokens": rules(folder, kind), "pad_to_multiple_of": 32}
        made[f"{kind}-linear-rules"] = recipe(folder, kind, "linear", tokenizer)
    return made


def recipe(folder: Path, kind: str, method: str, tokenizer: dict) -> dict:
    """One recipe over the models of a kind."""
    paths = {n: str(folder / kind / n) for n in (("base", "a") if method == "slerp" else ADDED)}
    if tokenizer["source"] in paths:
        tokenizer = {**tokenizer, "source": tokenizer["source"] if tokenizer["source"] == "base" else paths["a"]}
    weight = {n: {} if method == "slerp" else {"weight": w} for n, w in WEIGHTS.items()}
    return {
        "merge_method": method, "base_model": paths["base"], "dtype": "float32", "tokenizer": tokenizer,
        "models": [{"model": p, "parameters": weight[n]} for n, p in paths.items()],
        "parameters": {"t": 0.3} if method == "slerp" else {},
    }  # fmt: skip


NAMES = list(recipes(Path(".")))


@pytest.fixture(scope="module")
def merged(tmp_path_factory) -> tuple[dict[str, dict], Path]:
    """The recipes, and a folder with mergekit's result of each, made in one process."""
    python = os.environ.get(PYTHON)
    if not python:
        pytest.skip(f"{PYTHON} names no Python with mergekit 0.1.5 (pip install torch==2.13.0 mergekit==0.1.5)")
    folder = tmp_path_factory.mktemp("tokenizers")
    for kind in KINDS:
        for i, (name, added) in enumerate(ADDED.items()):
            model(folder / kind / name, with_added(train(kind), added), seed=i, hidden=8, heads=2, kv_heads=1)
    made = recipes(folder)
    (folder / "recipes.json").write_text(json.dumps({name: json.dumps(data) for name, data in made.items()}))
    script = Path(__file__).parent / "recipes_oracle.py"
    environment = {**os.environ, "HF_HUB_OFFLINE": "1"}
    subprocess.run([python, str(script), str(folder)], check=True, capture_output=True, text=True, env=environment)
    return made, folder


def vocabulary(folder: Path) -> dict[str, int]:
    return Tokenizer.from_file(str(folder / "tokenizer.json")).get_vocab(with_added_tokens=True)


@pytest.mark.parametrize("name", NAMES)
def test_rows_by_token(name, merged, tmp_path):
    made, folder = merged
    errors = json.loads((folder / "errors.json").read_text())
    assert name not in errors, errors.get(name)
    out = merge(Recipe.of(made[name]), tmp_path / "ours", threads=1).path
    ours, theirs = load_file(out / "model.safetensors"), load_file(folder / name / "model.safetensors")
    mine, other = vocabulary(out), vocabulary(folder / name)
    assert mine.keys() == other.keys()
    order = [mine[t] for t in other], list(other.values())
    assert ours.keys() == theirs.keys()
    for tensor in (EMBED, HEAD):
        assert ours[tensor].shape == theirs[tensor].shape
        torch.testing.assert_close(ours[tensor][order[0]], theirs[tensor][order[1]], rtol=0, atol=1e-6)
        padding = slice(len(mine), None)
        torch.testing.assert_close(ours[tensor][padding], theirs[tensor][padding], rtol=0, atol=1e-6)
    assert json.loads((out / "config.json").read_text())["vocab_size"] == len(ours[EMBED])
