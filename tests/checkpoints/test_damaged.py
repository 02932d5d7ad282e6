"""Thousands of damaged and hostile model folders: an error of ours or a sound checkpoint, soon, in little memory, within the folder."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from nbmerge.checkpoints import Checkpoint
from nbmerge.engine.merge import merge
from nbmerge.errors import CheckpointError
from nbmerge.guarded_files import FOLLOW_LINKS as ANYWHERE
from nbmerge.recipe import Recipe
from tests.checkpoints.damaged import Damage, corpus
from tests.checkpoints.sound import sound

EXPECTED = {"error", "problems", "planned", "merged", "refused"}
REAL_TOKENIZERS = (400, 5)
"""Megabytes and seconds: tokenizer.json may be as large as the largest real ones, which take that."""


def opened(*arguments: str) -> list[dict]:
    """The outcomes of a part of the corpus, opened in a process of its own."""
    command = [sys.executable, "-m", "tests.checkpoints.opening", *arguments]
    root = Path(__file__).parents[2]
    done = subprocess.run(
        command, cwd=root, capture_output=True, text=True, check=False, env=os.environ | {"OMP_NUM_THREADS": "1"}
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return [json.loads(line) for line in done.stdout.splitlines()]


def judge(outcomes: list[dict], seconds: float = 1.0) -> None:
    for o in outcomes:
        megabytes, most = REAL_TOKENIZERS if o["name"].startswith("tokenizer.json") else (200, seconds)
        assert o["end"] in EXPECTED, o
        assert o["said"] or o["end"] not in ("error", "problems"), o
        assert o["seconds"] < most, o
        assert o["megabytes"] < megabytes, o
        assert not o["opened"], o


@pytest.mark.slow
def test_the_number_of_damages_does_not_shrink():
    names = [damage.name for damage in corpus()]
    assert len(names) > 3000


@pytest.mark.slow
def test_damaged_checkpoints_are_refused_or_planned():
    judge(opened("--every", "100"))


@pytest.mark.slow
def test_all_damaged_checkpoints_are_refused_or_planned():
    outcomes = opened()
    judge(outcomes)
    ends = {o["name"]: o["end"] for o in outcomes}
    assert {ends[n] for n in ("sound", "sound, in shards", "sound adapter")} == {"planned"}


@pytest.mark.slow
def test_another_seed_and_merges_of_what_can_be_planned():
    judge(opened("--every", "4", "--seed", "7", "--merge"), seconds=3)


# --- links ---


@pytest.fixture
def cached(tmp_path) -> Path:
    """A model as it lies in a Hugging Face cache: links into blobs."""
    repo = tmp_path / "models--some--model"
    Damage("sound", sound()).write(repo / "blobs")
    folder = repo / "snapshots" / "0123"
    folder.mkdir(parents=True)
    for file in (repo / "blobs").iterdir():
        (folder / file.name).symlink_to(f"../../blobs/{file.name}")
    return folder


def test_links_into_the_blobs_of_a_cache_are_followed(cached, tmp_path):
    assert len(Checkpoint.open(cached).tensors) == 9
    assert merge(Recipe.of({"merge_method": "passthrough", "models": [str(cached)]}), tmp_path / "out").path.is_dir()


def test_links_to_a_cache_from_another_folder_are_followed(cached, tmp_path):
    (tmp_path / "mine").mkdir()
    for file in cached.iterdir():
        (tmp_path / "mine" / file.name).symlink_to(file)
    assert len(Checkpoint.open(tmp_path / "mine").tensors) == 9


def test_links_inside_the_folder_are_followed(tmp_path):
    Damage("sound", sound()).write(tmp_path / "model")
    (tmp_path / "model" / "model.safetensors").rename(tmp_path / "model" / "weights")
    (tmp_path / "model" / "model.safetensors").symlink_to("weights")
    assert len(Checkpoint.open(tmp_path / "model").tensors) == 9


def test_a_link_to_the_folder_is_the_folder(tmp_path):
    Damage("sound", sound()).write(tmp_path / "model")
    (tmp_path / "link").symlink_to(tmp_path / "model")
    assert len(Checkpoint.open(tmp_path / "link").tensors) == 9


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_links_elsewhere_are_refused_unless_asked_for(name, tmp_path, monkeypatch):
    Damage("sound", sound()).write(tmp_path / "model")
    (tmp_path / "model" / name).rename(tmp_path / "elsewhere")
    (tmp_path / "model" / name).symlink_to("../elsewhere")
    with pytest.raises(CheckpointError, match=f"outside its folder.*{ANYWHERE}"):
        Checkpoint.open(tmp_path / "model")
    monkeypatch.setenv(ANYWHERE, "1")
    assert len(Checkpoint.open(tmp_path / "model").tensors) == 9


@pytest.mark.parametrize("name", ["tokenizer.model", "chat_template.jinja", "generation_config.json"])
def test_private_files_do_not_travel_with_a_merge(name, tmp_path):
    """What is copied from a model must be the model's own."""
    Damage("sound", sound()).write(tmp_path / "model")
    (tmp_path / "private").write_text("dear")
    (tmp_path / "model" / name).symlink_to("../private")
    with pytest.raises(CheckpointError, match="outside its folder"):
        merge(Recipe.of({"merge_method": "passthrough", "models": [str(tmp_path / "model")]}), tmp_path / "out")
    assert sorted(f.name for f in tmp_path.iterdir()) == ["model", "private"]


def test_empty_tensors_are_merged(tmp_path):
    """The format allows them."""
    from tests.checkpoints.sound import HEADER, header, packed, tensors

    entries = header({**tensors(), "empty": [0, 4]})
    Damage("empty", sound() | {HEADER: packed(entries)}).write(tmp_path / "model")
    out = merge(Recipe.of({"merge_method": "passthrough", "models": [str(tmp_path / "model")]}), tmp_path / "out").path
    assert Checkpoint.open(out).tensors["empty"].shape == (0, 4)
