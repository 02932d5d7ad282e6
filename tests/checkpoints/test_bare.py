"""Bare weights: whatever holds the tensors, they are found; what is no weights file is refused with a sentence."""

import json
import os
import pickle

import pytest
import torch
from safetensors.torch import load_file, save_file

from nbmerge.checkpoints import Checkpoint
from nbmerge.errors import CheckpointError
from tests.bare_weights import make_weights
from tests.models import make_model


@pytest.fixture
def file(tmp_path):
    return make_weights(tmp_path / "a.safetensors")


def found(path):
    opened = Checkpoint.open(path)
    assert opened.bare
    assert not opened.config
    return {name: (tensor.shape, tensor.dtype) for name, tensor in opened.tensors.items()}


def test_every_kind_of_file_has_the_same_tensors(file, tmp_path):
    tensors = load_file(file)
    torch.save(tensors, tmp_path / "a.pt")
    torch.save({"state_dict": tensors, "epoch": 3, "lr": [0.1]}, tmp_path / "a.ckpt")
    half = len(tensors) // 2
    for i, part in enumerate((list(tensors)[:half], list(tensors)[half:])):
        save_file({name: tensors[name] for name in part}, tmp_path / f"part-{i}.safetensors")
    weight_map = {name: f"part-{int(i >= half)}.safetensors" for i, name in enumerate(tensors)}
    (tmp_path / "unet.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))
    wanted = found(file)
    assert set(wanted) == set(tensors)
    for name in ("a.pt", "a.ckpt", "unet.safetensors.index.json"):
        assert found(tmp_path / name) == wanted


def test_names_have_no_roles_and_no_layers(file):
    layout = Checkpoint.open(file).layout
    assert layout.outside("other") == list(layout.names)
    assert layout.stacks == {}
    assert not layout.is_derived("attn.bias")
    assert not layout.is_after_layers("classifier.weight")


class Runs:
    def __reduce__(self):
        return os.system, ("touch ran",)


def test_pickles_are_not_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save({"state_dict": {"w": torch.ones(2)}, "callback": Runs()}, tmp_path / "bad.ckpt")
    (tmp_path / "old.bin").write_bytes(pickle.dumps(Runs()))
    for name in ("bad.ckpt", "old.bin"):
        with pytest.raises(CheckpointError, match="can run any code"):
            Checkpoint.open(tmp_path / name)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("name", "contents", "what"),
    [
        ("empty.safetensors", b"", "not a valid safetensors file"),
        ("cut.safetensors", b"\x80\0\0\0\0\0\0\0{", "not a valid safetensors file"),
        ("none.safetensors", b"\x02\0\0\0\0\0\0\0{}", "contains no tensors"),
        ("text.bin", b"hello", "not a torch archive"),
        ("notes.txt", b"hello", "not one with weights"),
        ("x.index.json", b"{}", "no usable weight_map"),
        ("y.index.json", b'{"weight_map": {"w": "gone.safetensors"}}', "missing 1 of its shards"),
        ("z.index.json", b'{"weight_map": {"w": "../a.safetensors"}}', "outside the folder"),
    ],
)
def test_other_files_are_refused(tmp_path, name, contents, what):
    (tmp_path / name).write_bytes(contents)
    with pytest.raises(CheckpointError, match=what):
        Checkpoint.open(tmp_path / name)


def test_files_that_are_not_there_and_adapters_on_files(file, tmp_path):
    with pytest.raises(CheckpointError, match="there is no file"):
        Checkpoint.open(tmp_path / "b.safetensors")
    with pytest.raises(CheckpointError, match="single file"):
        Checkpoint.open(f"{file}+{tmp_path}")
    save_file({"blocks.12345678.w": torch.zeros(1)}, file)
    with pytest.raises(CheckpointError, match="impossible layer number"):
        Checkpoint.open(file)


def test_names_with_signs_of_references_are_files(file, tmp_path):
    odd = file.rename(tmp_path / "a+b@c.safetensors")
    assert found(str(odd))


def test_a_folder_without_a_config_is_told_apart(file, tmp_path):
    with pytest.raises(CheckpointError, match=r"name the file: .*a\.safetensors"):
        Checkpoint.open(tmp_path)
    model = make_model(tmp_path / "model")
    assert "without the config.json" in Checkpoint.open(model / "model.safetensors").notes[0]
    assert not Checkpoint.open(model).bare
