"""Is a merged folder still what was written, and what its recipe says?"""

import json
import shutil

import pytest

from nbmerge.checkpoints import Checkpoint
from nbmerge.engine.merge import merge
from nbmerge.engine.verify import verify
from nbmerge.errors import CheckpointError
from nbmerge.recipe import Recipe
from tests.models import make_model

UP = "model.layers.1.mlp.up_proj.weight"


@pytest.fixture
def merged(tmp_path, family):
    own = make_model(tmp_path / "own", base=family.base, seed=7)
    models = [str(family.base), str(own)]
    r = Recipe.of({"merge_method": "slerp", "models": models, "parameters": {"t": [0, 1]}})
    return merge(r, tmp_path / "out", max_shard_size=8000).path


def flip(folder, tensor: str) -> None:
    """Change one bit of a tensor."""
    stored = Checkpoint.open(folder).tensors[tensor]
    data = bytearray(stored.file.read_bytes())
    data[stored.start + 5] ^= 1
    stored.file.write_bytes(data)


def test_sound(merged):
    found = verify(merged)
    assert found.ok
    assert (found.checked, found.damaged, found.derived) == (30, (), 0)


def test_sound_after_a_move(merged, tmp_path):
    shutil.move(merged, tmp_path / "moved")
    assert verify(tmp_path / "moved")


def test_no_folder(tmp_path):
    with pytest.raises(CheckpointError, match=r"the folder .*nowhere does not exist"):
        verify(tmp_path / "nowhere")


def test_one_flipped_bit_is_found(merged):
    flip(merged, UP)
    found = verify(merged)
    assert not found
    assert found.damaged == (UP,)
    assert UP in str(found)


def test_derived_again(merged):
    found = verify(merged, derive=True)
    assert found.ok
    assert found.derived == 30
    assert verify(merged, derive=[UP]).derived == 1


def test_a_parent_that_changed(merged, tmp_path):
    make_model(tmp_path / "own", seed=8)
    found = verify(merged, derive=True)
    assert not found.ok
    assert found.damaged == ()
    assert UP in found.differing


def test_folders_that_cannot_be_verified(merged, family, tmp_path):
    with pytest.raises(CheckpointError, match="nbmerge"):
        verify(family.base)
    with pytest.raises(CheckpointError):
        verify(tmp_path / "nowhere")
    (manifest,) = (f for f in merged.iterdir() if "checksums" in f.name)
    data = json.loads(manifest.read_text())
    data["tensors"]["ghost"] = "00"
    manifest.write_text(json.dumps(data))
    with pytest.raises(CheckpointError, match="ghost"):
        verify(merged)
    manifest.write_text("{")
    with pytest.raises(CheckpointError):
        verify(merged)
