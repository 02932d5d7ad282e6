"""Weights files of the Hub that are named by themselves: inspected, merged and pinned as models are."""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file

import nbmerge as nbm
from nbmerge.checkpoints import Checkpoint
from nbmerge.errors import CheckpointError

UNET = "unet/diffusion_pytorch_model.safetensors"


def weights(value: float) -> dict[str, torch.Tensor]:
    return {f"blocks.{i}.weight": torch.full((64, 64), value + i) for i in range(4)}


@pytest.fixture
def files(online, tmp_path):
    """Two repositories with a file in a subfolder, and one with shards and a pickle; returns the commit of the first."""
    commits = []
    for name, value in (("photo", 1.0), ("paint", 3.0)):
        save_file(weights(value), tmp_path / name)
        others = {"unet/config.json": b"{}", "vae/diffusion_pytorch_model.safetensors": b"", "README.md": b"# x"}
        commits.append(
            online.repos.setdefault(f"org/{name}", _repo()).commit(others | {UNET: (tmp_path / name).read_bytes()})
        )
    tensors = weights(5.0)
    shards = {}
    for i, names in enumerate((list(tensors)[:2], list(tensors)[2:])):
        save_file({n: tensors[n] for n in names}, tmp_path / "shard")
        shards[f"parts/part-{i}.safetensors"] = (tmp_path / "shard").read_bytes()
    index = {"weight_map": {n: f"part-{i // 2}.safetensors" for i, n in enumerate(tensors)}}
    online.repos.setdefault("org/parts", _repo()).commit(
        {**shards, "parts/all.index.json": json.dumps(index).encode(), "old.ckpt": b"x"}
    )
    return commits[0]


def _repo():
    from tests.hub.server import Repo

    return Repo()


@pytest.mark.slow
def test_files_in_subfolders_are_merged_as_if_they_were_here(online, files, cache, tmp_path):
    models = [f"org/photo/{UNET}", f"org/paint/{UNET}@main", "org/parts/parts/all.index.json"]
    recipe = {"merge_method": "linear", "models": models, "parameters": {"weight": 1}}
    report = nbm.check(recipe)
    assert report.ok
    sizes = {r: online.sent(r) for r in ("photo", "paint")}
    assert all(sent < 64 * 64 * 4 * 4 for sent in sizes.values())  # the header alone
    assert {d.model: d.files for d in report.forecast.downloads} == {"org/photo": 1, "org/paint": 1, "org/parts": 2}
    online.cut[UNET] = [20_000]  # the connection breaks once, and the download goes on from there
    result = nbm.merge(recipe, tmp_path / "mix.safetensors", progress=False)
    assert any(r.range and not r.range.startswith("bytes=0-") for r in online.asked(f"/{UNET}"))
    merged = load_file(result.path)
    assert torch.equal(merged["blocks.1.weight"], torch.full((64, 64), 4.0))
    assert str(result.plan.recipe.models[0].model) == f"org/photo/{UNET}@{files}"
    before = len(online.requests)
    again = nbm.merge(result.plan.recipe, tmp_path / "again.safetensors", progress=False)
    assert torch.equal(load_file(again.path)["blocks.3.weight"], merged["blocks.3.weight"])
    assert not online.asked("/vae/")
    assert len(online.requests) == before
    assert (cache / "models--org--photo" / "snapshots" / files / UNET).is_symlink()


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (f"org/nobody/{UNET}", "neither a local folder nor a model on"),
        (
            "org/photo/unet/diffusion_model.safetensors",
            f"no file unet/diffusion_model.safetensors at .*Did you mean '{UNET}'",
        ),
        ("org/photo/text/model.safetensors", "It has no safetensors there"),
        ("org/parts/old.ckpt", "not a safetensors file.*hf download org/parts old.ckpt"),
        ("org/photo/../x.safetensors", "there is no file"),
        (f"org/photo/{UNET}+org/lora", "adapter cannot be applied to the single file"),
    ],
)
def test_what_is_not_there_or_cannot_be_inspected_is_refused(online, files, name, said):
    with pytest.raises(CheckpointError, match=said):
        Checkpoint.open(name)


def test_offline_the_cache_is_used_and_the_command_is_named(online, files, monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(CheckpointError, match=f"offline mode.*hf download org/photo {UNET}"):
        Checkpoint.open(f"org/photo/{UNET}")
    assert not online.requests
