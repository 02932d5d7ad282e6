"""Merged adapters change the same as those of peft's ``add_weighted_adapter``; peft loads them and generates."""

import json
import os
import subprocess
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from nbmerge.adapters import merge_adapters
from nbmerge.methods.numerics.random_streams import kept
from tests.adapters import DOWN, Q, V, make_adapter, modules
from tests.differential.conftest import PYTHON
from tests.models import make_model

pytestmark = pytest.mark.differential
WEIGHTS = (0.7, -0.3, 0.5)
RECORDED = Path(__file__).parents[1] / "cases" / "adapters"
WHOLE = (
    "dora",
    "gpt2_dora",
    "embedding_dora",
    "embeddings",
    "experts_in_one_tensor",
    "experts_qwen3",
    "experts_mixtral",
)
"""Adapters that ``add_weighted_adapter`` refuses, or of which it drops what they learnt about lengths."""
CASES = {
    "svd": {},
    "svd of rank 3": {"rank": 3},
    "cat": {},
    "linear": {},
    "ties_svd": {"density": 0.5},
    "ties_svd by votes": {"density": 0.5, "consensus": "count"},
    "magnitude_prune_svd": {"density": 0.5},
    "dare_linear_svd": {"density": 0.5},
    "dare_ties_svd": {"density": 0.5},
    "ties": {"density": 0.5},
    "ties by votes": {"density": 0.5, "consensus": "count"},
    "magnitude_prune": {"density": 0.5},
}
"""Settings by the first word, a combination type."""
THEIRS = {"rank": "svd_rank", "consensus": "majority_sign_method", "count": "frequency"}


@pytest.fixture(scope="module")
def compared(tmp_path_factory):
    """(changes, generated tokens, differences of models), by peft in one process."""
    python = os.environ.get(PYTHON)
    if not python:
        pytest.skip(f"{PYTHON} names no Python with mergekit 0.1.5, which has peft")
    folder = tmp_path_factory.mktemp("peft")
    base = make_model(folder / "base", seed=5)
    adapters = [
        make_adapter(folder / "a", base, modules(Q, V, DOWN), seed=1),
        make_adapter(folder / "b", base, modules(Q, V), seed=2, lora_alpha=3, use_rslora=True),
        make_adapter(folder / "c", base, modules(Q), embeddings=["model.embed_tokens"], seed=3),
    ]
    masks, cases = {}, []
    order = [("model.embed_tokens", (2,)), *((m, _who(m)) for m in modules(Q, V, DOWN))]  # in which peft visits them
    for n, (name, i) in enumerate((name, i) for name, numbers in order for i in numbers):
        shape = {"embed": (32, 16), "down_": (16, 24), "v_pro": (8, 16)}.get(name.split(".")[-1][:5], (16, 16))
        draw = kept(f"0/{i}/{name}.weight", 0, shape[0] * shape[1], 0.5)
        if name.endswith("embed_tokens"):  # peft merges it as (tokens, width), we as (width, tokens)
            draw = draw.reshape(shape[::-1]).T
        masks[f"{n:03d}"] = torch.from_numpy(draw.copy()).view(shape).float()
    for case, settings in CASES.items():
        out = folder / case
        method = case.split()[0]
        merge_adapters(adapters, out, method=method, weights=WEIGHTS, progress=False, **settings)
        theirs = {THEIRS.get(k, k): THEIRS.get(v, v) for k, v in settings.items()}
        named = {"adapters": ["0", "1", "2"], "weights": WEIGHTS, "combination_type": method}
        cases.append({"id": case, "arguments": named | theirs, "ours": str(out)})
    pairs = [_halves(case, folder) for case in WHOLE]
    job = {"base": str(base), "adapters": [str(adapter) for adapter in adapters], "cases": cases, "pairs": pairs}
    (folder / "job.json").write_text(json.dumps(job))
    save_file(masks, folder / "masks.safetensors")
    oracle = Path(__file__).with_name("peft_oracle.py")
    done = subprocess.run([python, str(oracle), str(folder)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return (
        load_file(folder / "changes.safetensors"),
        *(json.loads((folder / f"{name}.json").read_text()) for name in ("generated", "pairs")),
    )


def _halves(case, folder):
    """An adapter, and its two halves merged at full rank."""
    told, out = json.loads((RECORDED / case / "model.json").read_text()), folder / f"{case}-halves"
    base = RECORDED / case / "base" if "model" not in told else make_model(folder / f"{case}-base", **told["model"])
    adapter = RECORDED / case / "adapter0"
    merge_adapters([adapter, adapter], out, weights=0.5, energy=1.0, base=base, progress=False)
    return {"id": case, "base": str(base), "one": str(adapter), "other": str(out)}


def _who(module):
    """Numbers of the adapters that change a module."""
    return (0, 1, 2) if module.endswith("q_proj") else (0, 1) if module.endswith("v_proj") else (0,)


@pytest.mark.parametrize("case", CASES)
def test_the_same_changes(compared, case):
    ours, theirs = (
        {name.split("/")[2]: change for name, change in compared[0].items() if name.startswith(f"{case}/{whose}/")}
        for whose in ("ours", "theirs")
    )
    assert ours.keys() == theirs.keys()
    assert len(ours) == 10
    for name, change in ours.items():
        torch.testing.assert_close(change, theirs[name], rtol=0, atol=1e-6)


def test_peft_generates_with_each(compared):
    assert {len(tokens[0]) for tokens in compared[1].values()} == {7}
    assert compared[1].keys() == CASES.keys()


@pytest.mark.parametrize("case", WHOLE)
def test_peft_computes_the_same_with_the_halves_of_an_adapter(compared, case):
    difference, change = compared[2][case]
    assert difference < 1e-6 < 1e-3 < change
