"""Exports that claim to make the same model do: each key of a recipe, over vocabularies, donors, adapters and odd files.

An export that claims nothing is not run. Those of plain recipes over all methods are in `test_recipes`.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import torch

from nbmerge.engine.merge import merge
from nbmerge.recipe import Recipe
from tests.adapters import DOWN, Q, make_adapter, modules
from tests.differential.conftest import PYTHON
from tests.models import make_model, read_tensors
from tests.tokenizers.makers import model, save, train, with_added

pytestmark = pytest.mark.differential

WEIGHTS = {"base": 0.2, "a": 0.5, "b": 0.3}
METHODS = ("linear", "ties", "task_arithmetic", "slerp", "model_stock", "sce", "arcee_fusion", "nuslerp", "karcher")
TWO = ("slerp", "arcee_fusion", "nuslerp")
BASED = ("ties", "task_arithmetic", "slerp", "model_stock", "sce", "arcee_fusion")
VOCABULARIES = {
    "short": {"tokenizer_source": "union"},
    "union": {"tokenizer": {"source": "union"}},
    "base": {"tokenizer_source": "base"},
    "prefix": {"tokenizer": {"source": "model:{a}"}},
    "label": {"tokenizer": {"source": "a"}},
    "owners": {"tokenizer": {"source": "union", "rows": "owners"}},
    "mean": {"tokenizer": {"source": "union", "tokens": {"<|a|>": {"source": {"kind": "mean"}, "force": True}}}},
    "elsewhere": {"tokenizer": {"source": "{c}"}},
}
CLAIMED = ("short", "union", "base", "prefix", "label")
"""Vocabularies that mergekit makes as we do."""
CLAIMING_NOTHING = {"owners": "rows", "mean": "mean over the models that have a token", "elsewhere": "is not merged"}


@pytest.fixture(scope="module")
def models(tmp_path_factory) -> dict[str, str]:
    """Models with tokens of their own, and alike ones with something odd about each."""
    folder = tmp_path_factory.mktemp("exports")
    made = {
        n: model(folder / n, with_added(train("BPE"), [f"<|{n}|>"]), seed=i, layers=2)
        for i, n in enumerate(("base", "a", "b", "c"))
    }
    size = train("BPE").get_vocab_size(with_added_tokens=True)
    kin = make_model(folder / "kin", layers=2, seed=5, vocab=size, tokenizer=False)
    made["kin"] = save(kin, train("BPE"))
    for i, name in enumerate(("ft1", "ft2")):
        made[name] = save(make_model(folder / name, base=kin, seed=6 + i, tokenizer=False), train("BPE"))
    made["adapter"] = make_adapter(folder / "adapter", kin, modules(Q, DOWN, layers=2))
    biased = {f"model.layers.{i}.self_attn.o_proj.bias": torch.randn(16) for i in range(2)}
    made["biased"] = make_model(folder / "biased", layers=2, replace=biased, config={"attention_bias": True})
    made["tied"] = save(make_model(folder / "tied", layers=2, vocab=size, tied=True, tokenizer=False), train("BPE"))
    made["short"] = make_model(folder / "short", layers=2)
    return {n: str(p) for n, p in made.items()}


def over_tokens(method: str, key: str, models: dict[str, str]) -> dict[str, Any]:
    """A recipe over models with tokens of their own."""
    names = ["base", "a"] if method in TWO else ["base", "a", "b"]
    weighted = {n: {"parameters": {"weight": WEIGHTS[n]}} for n in names} if method not in ("slerp", "karcher") else {}
    if method in ("model_stock", "sce", "arcee_fusion"):
        weighted = {}
    text = json.dumps(VOCABULARIES[key]).replace("{a}", models["a"]).replace("{c}", models["c"])
    based = {"base_model": models["base"]} if method in BASED or key == "base" else {}
    return {
        "merge_method": method, "dtype": "float32", "parameters": {"t": 0.3} if method == "slerp" else {}, **based,
        "models": [{"model": models[n], **weighted.get(n, {})} for n in names], **json.loads(text),
    }  # fmt: skip


def others(models: dict[str, str]) -> dict[str, dict[str, Any]]:
    """Recipes over models of equal vocabulary."""
    kin, ft1, ft2 = models["kin"], models["ft1"], models["ft2"]
    both = [{"model": m, "parameters": {"weight": w}} for m, w in ((ft1, 0.7), (ft2, 0.4))]
    ties = {"merge_method": "ties", "base_model": kin, "models": both, "dtype": "float32"}
    slerp = {"merge_method": "slerp", "models": [kin, ft1], "parameters": {"t": [0.2, 0.9]}, "dtype": "float32"}
    stacked = [{"sources": [{"model": m, "layer_range": [0, 2]}]} for m in (kin, ft1)]
    found = {
        "adapter alone": {**ties, "base_model": f"{kin}+{models['adapter']}", "models": [f"{kin}+{models['adapter']}"]},
        "adapter added": {**ties, "models": [{**both[0], "model": f"{kin}+{models['adapter']}"}]},
        "base alone": {"merge_method": "task_arithmetic", "base_model": kin, "models": [kin], "dtype": "float32"},
        "embedding of the base": {**ties, "embedding_source": kin, "final_norm_source": kin},
        "head of the other": {**slerp, "lm_head_source": ft1, "embedding_source": kin},
        "first alone": {"merge_method": "linear", "models": both, "lm_head_source": ft2, "dtype": "float32"},
        "config of another": {**ties, "config_source": ft1},
        "a rule for sizes that are alike": {**slerp, "vocabulary": "edge-gradient"},
        "stacked": {"merge_method": "passthrough", "slices": stacked, "dtype": "float32"},
        "biased": {"merge_method": "passthrough", "models": [models["biased"]], "dtype": "float32"},
        "tied": {"merge_method": "passthrough", "models": [models["tied"]], "dtype": "float32"},
        "tied with a head": {
            "merge_method": "linear", "models": [models["tied"], models["kin"]], "parameters": {"weight": 1},
            "lm_head_source": models["kin"], "dtype": "float32",
        },
        "of two sizes": {
            "merge_method": "linear", "models": [models["kin"], models["short"]], "parameters": {"weight": 1},
            "vocabulary": "mean",
        },
        "two votes": {**ties, "parameters": {"consensus": "count"}},
        "half the changes": {**ties, "merge_method": "breadcrumbs", "parameters": {"density": 0.5}},
    }  # fmt: skip
    return found


def corpus(models: dict[str, str]) -> dict[str, dict[str, Any]]:
    """Every recipe, by name."""
    tokens = {f"{m}-{k}": over_tokens(m, k, models) for m in METHODS for k in VOCABULARIES}
    tokens.pop("nuslerp-base")  # both refuse a nuslerp of a base and one other model
    return tokens | others(models)


def test_the_same_weights_where_an_export_says_so(models, tmp_path):
    python = os.environ.get(PYTHON)
    if not python:
        pytest.skip(f"{PYTHON} names no Python with mergekit 0.1.5 (pip install torch==2.13.0 mergekit==0.1.5)")
    made = {n: Recipe.of(r) for n, r in corpus(models).items()}
    claimed = {n: e.text for n, r in made.items() if (e := r.to_mergekit()).same}
    assert len(claimed) >= 40
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    (theirs / "recipes.json").write_text(json.dumps(claimed))
    script = Path(__file__).parent / "recipes_oracle.py"
    environment = {**os.environ, "HF_HUB_OFFLINE": "1"}
    subprocess.run([python, str(script), str(theirs)], check=True, capture_output=True, env=environment)
    refused = json.loads((theirs / "errors.json").read_text())
    assert not refused
    differing = {n: off for n in claimed if (off := apart(made[n], tmp_path / "ours" / n, theirs / n))}
    assert not differing


def apart(recipe: Recipe, ours: Path, theirs: Path) -> list[str]:
    """Tensors in which mergekit's result differs from ours, rows compared by token."""
    merge(recipe, ours, threads=1)
    mine, other = read_tensors(ours), read_tensors(theirs)
    if mine.keys() != other.keys():
        return sorted(mine.keys() ^ other.keys())
    order = _orders(ours, theirs) if recipe.wanted_tokenizer else None
    return [n for n, t in mine.items() if not _equal(t, other[n], order if "embed" in n or "lm_head" in n else None)]


def _equal(mine: torch.Tensor, other: torch.Tensor, order: tuple[list[int], list[int]] | None) -> bool:
    if mine.shape != other.shape:
        return False
    if order is not None:
        mine, other = mine[order[0]], other[order[1]]
    return torch.allclose(mine, other, rtol=0, atol=1e-5)


def _orders(ours: Path, theirs: Path) -> tuple[list[int], list[int]]:
    from tokenizers import Tokenizer

    mine, other = (Tokenizer.from_file(str(f / "tokenizer.json")).get_vocab(True) for f in (ours, theirs))
    assert mine.keys() == other.keys()
    return [mine[t] for t in other], list(other.values())


@pytest.mark.parametrize("method", ["linear", "ties"])
@pytest.mark.parametrize("key", VOCABULARIES)
def test_an_export_is_right_about_its_vocabulary(method, key, models):
    recipe = Recipe.of(over_tokens(method, key, models))
    export = recipe.to_mergekit()
    assert export.same is (key in CLAIMED)
    assert any(CLAIMING_NOTHING[key] in str(p) for p in export.lost) if key in CLAIMING_NOTHING else True
    assert "model:" not in json.dumps(Recipe.load(export.text).plain()["tokenizer"])


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("biased", "omits"),
        ("tied with a head", "ties its head"),
        ("of two sizes", "vocabularies of different size"),
        ("two votes", "weighted sum only"),
    ],
)
def test_differences_with_unusual_files_are_reported(name, said, models):
    export = Recipe.of(others(models)[name]).to_mergekit()
    assert not export.same
    assert any(said in str(p) for p in export.lost)
