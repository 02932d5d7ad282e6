"""Models are looked at without their weights, and what the Hub refuses is said in words that help."""

import json
from importlib import import_module

import pytest
from numpy import zeros
from safetensors.numpy import save

import nbmerge as nbm
from nbmerge.checkpoints import Checkpoint
from nbmerge.checkpoints import hub as room
from nbmerge.checkpoints.hub import ranges
from nbmerge.errors import CheckpointError
from tests.models import make_model


def refused(name: str) -> str:
    with pytest.raises(CheckpointError) as info:
        Checkpoint.open(name)
    return str(info.value)


def linear(*models) -> dict:
    return {"merge_method": "linear", "models": list(map(str, models)), "parameters": {"weight": 1}}


def test_only_headers_and_small_files_are_read(online, sharded, cache):
    commit = online.add("org/base", sharded.base)
    there, here = Checkpoint.open("org/base"), Checkpoint.open(sharded.base)
    assert there.path == cache / "models--org--base" / "snapshots" / commit
    assert there.config == here.config
    assert [(t.name, t.dtype, t.shape, t.start, t.file.name) for t in there.tensors.values()] == [
        (t.name, t.dtype, t.shape, t.start, t.file.name) for t in here.tensors.values()
    ]
    assert not list(there.path.glob("*.safetensors"))
    assert (there.path / "tokenizer.json").is_file()
    shards = online.asked("/storage/")
    assert len(shards) == 4
    assert all(r.range == f"bytes=0-{ranges.FIRST - 1}" and r.sent == ranges.FIRST for r in shards)
    assert online.sent("/storage/") < here.nbytes / 3


def test_a_model_in_one_small_file(online, family):
    online.add("org/one", family.base)
    assert Checkpoint.open("org/one").parameters == Checkpoint.open(family.base).parameters


def test_a_long_header_takes_a_second_request(online, family, tmp_path):
    model = make_model(tmp_path / "long")
    tensors = {f"model.layers.{i}.mlp.up_proj.weight": zeros((4, 4), "float32") for i in range(500)}
    (model / "model.safetensors").write_bytes(save(tensors, {"words": "x" * 10_000}))
    online.add("org/long", model)
    assert len(Checkpoint.open("org/long").tensors) == 500
    first, second = online.asked("/storage/")
    assert first.sent + second.sent < (model / "model.safetensors").stat().st_size
    assert second.range.startswith(f"bytes={ranges.FIRST}-")


def test_the_hub_is_asked_once_in_a_session(online, family):
    old = online.add("org/base", family.base)
    for _ in range(3):
        assert Checkpoint.open("org/base").path.name == old
    asked = len(online.requests)
    new = online.add("org/base", family.ft1)
    assert Checkpoint.open("org/base").path.name == old
    assert len(online.requests) == asked
    room.forget()
    assert Checkpoint.open("org/base").path.name == new
    assert Checkpoint.open(f"org/base@{old}").path.name == old


def test_branches_and_commits(online, family):
    online.add("org/base", family.base)
    other = online.add("org/base", family.ft1, branch="v2")
    assert Checkpoint.open("org/base@v2").path.name == other == Checkpoint.open(f"org/base@{other}").path.name
    assert "no revision 'v9'" in refused("org/base@v9")
    assert "no revision" in refused(f"org/base@{'0' * 40}")


def test_a_name_that_the_hub_does_not_know(online):
    said = refused("org/nothing")
    assert f"neither a local folder nor a model on {online.endpoint} that you can access" in said
    assert "hf auth login" in said
    asked = len(online.requests)
    assert refused("org/nothing") == said  # a slider that moves does not ask again
    assert len(online.requests) == asked


@pytest.mark.parametrize("name", ["/no/such/folder", "./here", "a/b/c", "~nobody/x", "org/na me", "..", "org/..", "-"])
def test_an_impossible_id_is_not_requested(online, name):
    refused(name)
    assert online.requests == []


def test_private_models_need_a_login(online, family, monkeypatch):
    online.add("me/secret", family.base, private=True)
    assert "if it is private, log in" in refused("me/secret")
    room.forget()
    monkeypatch.setenv("HF_TOKEN", online.token)
    checkpoint = Checkpoint.open("me/secret")
    assert all(r.login == f"Bearer {online.token}" for r in online.asked("/api/models/")[-1:])
    assert online.asked("/storage/")
    assert all(r.login is None for r in online.asked("/storage/"))  # the storage is somebody else
    assert online.token not in repr(checkpoint)


def test_gated_models_say_what_to_do(online, family, monkeypatch):
    online.add("org/gated", family.base, gated=True)
    said = refused("org/gated")
    assert f"gated. Accept its licence at {online.endpoint}/org/gated and log in" in said
    room.forget()
    monkeypatch.setenv("HF_TOKEN", "hf_" + "wrong" * 6)
    assert "hf_wrong" not in refused("org/gated")
    room.forget()
    monkeypatch.setenv("HF_TOKEN", online.token)
    assert Checkpoint.open("org/gated").depth == 3


def test_without_a_network_the_cache_is_used(online, family):
    commit = online.add("org/base", family.base)
    recipe = linear("org/base", family.ft1)
    plan = nbm.plan(recipe)
    room.fetch(t.file for t in plan.checkpoints[plan.recipe.references[0]].tensors.values())
    online.add("org/looked-at", family.ft2)
    Checkpoint.open("org/looked-at")  # its config is in the cache, its weights are not
    online.close()
    room.forget()
    said = refused("org/other")
    assert "cannot connect" in said
    assert "contains org/base" in said
    assert "cannot connect" in refused("org/looked-at")
    report = nbm.check(recipe)
    assert report.ok
    (warning,) = [p for p in report.problems if p.severity == "warning"]
    assert warning.place == "models[0].model"
    assert f"Using the copy in the local cache: commit {commit}" in warning.what


def test_a_misspelt_folder_is_distinguished_from_a_missing_network(online, family, monkeypatch):
    here = family.base.parent.parent
    monkeypatch.chdir(here)
    name = f"{family.base.parent.name}/bsae"
    meant = f"Did you mean the folder '{family.base.relative_to(here)}'?"
    assert refused(name).endswith(meant)  # the Hub answers, and has no such model either
    online.close()
    room.forget()
    said = refused(name)
    assert said.startswith(
        f"the folder '{name}' does not exist in {here}, and nbmerge cannot connect to {online.endpoint}"
    )
    assert meant in said
    assert "Did you mean the folder" not in refused("org/far-away")


def test_a_commit_that_is_here_is_not_asked_for(online, family):
    commit = online.add("org/base", family.base)
    room.fetch(t.file for t in Checkpoint.open("org/base").tensors.values())
    room.forget()
    asked = len(online.requests)
    assert Checkpoint.open(f"org/base@{commit}").depth == 3
    assert len(online.requests) == asked


def test_offline_mode_sends_no_request(online, family, monkeypatch):
    from huggingface_hub import constants

    commit = online.add("org/base", family.base)
    room.fetch(t.file for t in Checkpoint.open("org/base").tensors.values())
    room.forget()
    asked = len(online.requests)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert Checkpoint.open("org/base").path.name == commit
    said = refused("org/other@v1")
    assert "offline mode (HF_HUB_OFFLINE)" in said
    assert "hf download org/other --revision v1" in said
    assert len(online.requests) == asked


def test_damaged_headers_are_refused_from_afar(online, family, tmp_path):
    model = make_model(tmp_path / "damaged")
    data = bytearray((model / "model.safetensors").read_bytes())
    data[8:12] = b"\xff\xff\xff\xff"
    (model / "model.safetensors").write_bytes(data)
    online.add("org/damaged", model)
    assert "not a valid safetensors file" in refused("org/damaged")
    (model / "model.safetensors").write_bytes((10**9).to_bytes(8, "little") + bytes(1000))
    online.add("org/damaged", model)
    room.forget()
    assert "header would be 1,000,000,000 bytes long in a file of 1,008" in refused("org/damaged")


def test_an_index_that_leaves_the_folder_is_refused(online, sharded, tmp_path):
    model = make_model(tmp_path / "evil", shards=2)
    index = json.loads((model / "model.safetensors.index.json").read_text())
    index["weight_map"] = dict.fromkeys(index["weight_map"], "../../../../secret.safetensors")
    (model / "model.safetensors.index.json").write_text(json.dumps(index))
    online.add("org/evil", model)
    assert "a shard outside the folder" in refused("org/evil")


def test_pickled_weights_have_no_header_to_read(online, family, tmp_path):
    model = make_model(tmp_path / "pickled")
    (model / "model.safetensors").rename(model / "pytorch_model.bin")
    online.add("org/pickled", model)
    assert "hf download org/pickled --revision" in refused("org/pickled")
    (model / "pytorch_model.bin").unlink()
    online.add("org/empty", model)
    assert "no safetensors" in refused("org/empty")


def test_a_file_that_is_gone(online, family):
    online.add("org/base", family.base)
    online.vanished.add("model.safetensors")
    assert "no longer has model.safetensors" in refused("org/base")


def test_a_full_disk_is_reported_before_small_files_are_downloaded(online, family, monkeypatch):
    from nbmerge.checkpoints.hub import layout

    online.add("org/base", family.base)
    usage = layout.shutil.disk_usage(family.base)
    monkeypatch.setattr(layout.shutil, "disk_usage", lambda _: usage._replace(free=100))
    assert "for config and tokenizer of org/base" in refused("org/base")
    assert not online.asked("/resolve/")


def test_small_files_beyond_bounds_are_left_out_or_refused(online, family, monkeypatch):
    find = import_module("nbmerge.checkpoints.hub.find")
    online.add("org/base", family.base)
    online.repos["org/base"].commit({f"data-{i}.json": b"[1]" * 2000 for i in range(9)})
    monkeypatch.setattr(find, "AT_MOST_TOGETHER", sum(p.stat().st_size for p in family.base.glob("*.json")) + 13_000)
    path = Checkpoint.open("org/base").path
    assert len(list(path.glob("data-*.json"))) == 2
    room.forget()
    online.add("org/large", family.base)
    monkeypatch.setattr(find, "AT_MOST_TOGETHER", 1000)
    assert "larger than those of real models" in refused("org/large")
