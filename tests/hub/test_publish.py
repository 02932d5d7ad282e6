"""A merge goes to the Hub with its card, whole or not at all, and comes back with the same bytes."""

import json
import re

import pytest

import nbmerge as nbm
from nbmerge.checkpoints import Checkpoint
from nbmerge.checkpoints import hub as room
from nbmerge.engine.publish import local_models
from nbmerge.errors import CheckpointError, OutputError

# huggingface_hub's own, of the library below it
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")


@pytest.fixture
def recipe(family) -> dict:
    return {"merge_method": "linear", "models": [str(family.base), str(family.ft1)], "parameters": {"weight": 1}}


@pytest.fixture
def out(recipe, tmp_path):
    return nbm.merge(recipe, tmp_path / "merged", max_shard_size=20_000).path


@pytest.fixture
def logged_in(online, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", online.token)
    return online


@pytest.mark.slow
def test_a_published_folder_has_all_files_but_hidden_ones(logged_in, out, tmp_path):
    (out / ".secret").write_text("not for everybody")
    done = nbm.publish(out, "me/merged")
    assert done.private
    assert done.url == f"{logged_in.endpoint}/me/merged"
    files = logged_in.repos["me/merged"].commits[done.commit]
    assert set(files) == {p.name for p in out.iterdir() if p.name != ".secret"} | {".gitattributes"}
    assert all(files[p.name] == p.read_bytes() for p in out.glob("*.safetensors"))
    there = Checkpoint.open(f"me/merged@{done.commit}")
    copy = nbm.merge({"merge_method": "passthrough", "models": ["me/merged"]}, tmp_path / "copy", max_shard_size=20_000)
    assert there.nbytes == Checkpoint.open(out).nbytes
    for name in Checkpoint.open(out).tensors:
        assert data(copy.path, name) == data(out, name)
    assert not any(logged_in.token in p.read_text(errors="replace") for p in copy.path.iterdir())


def data(folder, name: str) -> bytes:
    stored = Checkpoint.open(folder).tensors[name]
    return stored.file.read_bytes()[stored.start : stored.start + stored.nbytes]


@pytest.mark.slow
def test_public_if_asked_and_a_second_commit(logged_in, out):
    assert not nbm.publish(out, "me/open", private=False).private
    (out / "README.md").write_text((out / "README.md").read_text() + "\nMore words.\n")
    again = nbm.publish(out, "me/open", message="More words")
    assert not again.private  # it stays as visible as it is
    assert len(logged_in.repos["me/open"].commits) == 3
    assert nbm.Recipe.load("me/open").merge_method == "linear"


@pytest.mark.parametrize("name", ["config.json", "README.md", "nbmerge_recipe.yml", "nbmerge_checksums.json"])
def test_incomplete_folders_are_refused(logged_in, out, name):
    (out / name).unlink()
    with pytest.raises(CheckpointError, match=re.escape(name)):
        nbm.publish(out, "me/merged")
    assert logged_in.repos == {}
    assert logged_in.requests == []


def test_damaged_and_foreign_folders_are_refused(logged_in, out, family, tmp_path):
    with pytest.raises(CheckpointError, match="not a complete merge"):
        nbm.publish(family.base, "me/base")
    with pytest.raises(CheckpointError, match="is not a folder"):
        nbm.publish(tmp_path / "none", "me/none")
    shard = sorted(out.glob("*.safetensors"))[0]
    damaged = bytearray(shard.read_bytes())
    damaged[-1] ^= 1
    shard.write_bytes(damaged)
    with pytest.raises(CheckpointError, match="damaged"):
        nbm.publish(out, "me/merged")
    shard.unlink()
    with pytest.raises(CheckpointError, match=r"is missing|it has no"):
        nbm.publish(out, "me/merged")
    assert logged_in.requests == []


@pytest.mark.parametrize("name", ["a/b/c", "", "me/na me", "../x", None])
def test_names_that_are_not_ids_are_not_looked_up(logged_in, out, name):
    with pytest.raises(OutputError, match="user/name"):
        nbm.publish(out, name)
    assert logged_in.requests == []


def test_without_a_login(online, out):
    with pytest.raises(OutputError, match="hf auth login"):
        nbm.publish(out, "me/merged")


def test_publishing_offline_is_refused(logged_in, out, monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(OutputError, match="HF_HUB_OFFLINE"):
        nbm.publish(out, "me/merged")


def test_without_a_network(logged_in, out):
    logged_in.close()
    with pytest.raises(OutputError, match="cannot connect") as info:
        nbm.publish(out, "me/merged")
    assert logged_in.token not in str(info.value)


def test_folders_of_this_machine_have_names_on_the_hub(recipe, family, online):
    commit = online.add("org/base", family.base)
    assert local_models(nbm.Recipe.of(recipe)) == {str(family.base): "base", str(family.ft1): "ft1"}
    assert local_models(nbm.Recipe.of({**recipe, "models": [f"org/base@{commit}"]})) == {}


def test_no_path_of_this_machine_is_uploaded(logged_in, out, family):
    (out / "README.md").write_text((out / "README.md").read_text() + f"\nMade from {family.ft1}.\n")
    done = nbm.publish(out, "me/merged")
    files = logged_in.repos["me/merged"].commits[done.commit]
    texts = {n: d.decode() for n, d in files.items() if n.endswith((".md", ".yml", ".json"))}
    assert not [n for n, text in texts.items() if str(family.base.parent) in text]
    assert "Made from ft1." in texts["README.md"]
    there = nbm.Recipe.load(texts["nbmerge_recipe.yml"])
    assert [m.model.path for m in there.models] == ["base", "ft1"]
    assert there.fingerprint in texts["README.md"]
    assert there.fingerprint == json.loads(texts["nbmerge_checksums.json"])["fingerprint"]
    assert str(family.base) in (out / "nbmerge_recipe.yml").read_text()  # here it can still be merged again


@pytest.mark.slow
def test_the_publish_command_prints_the_address_and_the_commit(hub, command, out, family):
    done = command("publish", out, "me/merged", "--public", HF_TOKEN=hub.token)
    assert done.returncode == 0, done.stderr
    assert f"{hub.endpoint}/me/merged: public, me/merged@{hub.repos['me/merged'].branches['main']}" in done.stdout
    assert f"{family.base} is a local folder; the uploaded card and recipe name it base." in done.stderr
    assert hub.token not in done.stdout + done.stderr


@pytest.mark.slow
def test_a_published_merge_gives_its_recipe(logged_in, out, recipe):
    nbm.publish(out, "me/merged")
    room.forget()
    read = nbm.Recipe.load("me/merged")
    assert read == nbm.Recipe.of(recipe | {"models": ["base", "ft1"]})
    assert "me/merged" in read.origin
