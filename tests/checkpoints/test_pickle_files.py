"""Weights in torch's pickled files: the same tensors as in safetensors, and nothing else is unpickled."""

import json
import os
import subprocess
import sys
import zipfile
from argparse import Namespace
from contextlib import suppress
from pathlib import Path

import pytest
import torch

import nbmerge as nbm
from nbmerge.checkpoints import Checkpoint
from nbmerge.errors import CheckpointError
from tests.adapters import Q, make_adapter, modules, passed_through
from tests.models import make_model, read_tensors


def pickle_model(folder: Path, shards: int = 1, **more) -> dict[str, torch.Tensor]:
    """Turn a folder's safetensors into torch's own files, and return its tensors."""
    tensors = read_tensors(folder) | more
    (folder / "model.safetensors").unlink()
    if shards == 1:
        torch.save(tensors, folder / "pytorch_model.bin")
        return tensors
    files = [f"pytorch_model-{i + 1:05d}-of-{shards:05d}.bin" for i in range(shards)]
    for i, file in enumerate(files):
        torch.save(dict(list(tensors.items())[i::shards]), folder / file)
    weight_map = {name: files[i % shards] for i, name in enumerate(tensors)}
    (folder / "pytorch_model.bin.index.json").write_text(json.dumps({"weight_map": weight_map}))
    return tensors


@pytest.fixture
def folder(tmp_path) -> Path:
    return make_model(tmp_path / "pickled")


def refused(path) -> str:
    with pytest.raises(CheckpointError) as caught:
        Checkpoint.open(path)
    assert len(str(caught.value)) < 2000
    return str(caught.value)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16", "float64"])
@pytest.mark.parametrize("shards", [1, 3])
def test_it_is_an_input_like_any_other(tmp_path, dtype, shards):
    folder = make_model(tmp_path / "x", dtype=dtype)
    nbm.merge(passed_through(folder), tmp_path / "safe")
    wanted = pickle_model(folder, shards)
    assert nbm.check(passed_through(folder)).ok
    nbm.merge(passed_through(folder), tmp_path / "out")
    got = read_tensors(tmp_path / "out")
    assert set(got) == set(wanted)
    assert all(torch.equal(t, wanted[n]) and t.dtype == wanted[n].dtype for n, t in got.items())
    assert list(got) == list(read_tensors(tmp_path / "safe"))


def test_parts_of_one_storage_and_odd_dtypes(folder):
    whole = torch.arange(64, dtype=torch.int64)
    pickle_model(folder, part=whole[3:7], counts=whole, scalar=torch.tensor(3.5), flags=torch.tensor([True, False]))
    found = Checkpoint.open(folder).tensors
    raw = (folder / "pytorch_model.bin").read_bytes()
    assert raw[found["part"].start :][:32] == whole[3:7].numpy().tobytes()
    assert found["part"].start == found["counts"].start + 24
    assert (found["scalar"].shape, found["flags"].dtype) == ((), "bool")


def test_a_head_that_is_the_embedding_again_is_left_out(tmp_path):
    tied = make_model(tmp_path / "tied", tied=True)
    embedding = read_tensors(tied)["model.embed_tokens.weight"]
    tensors = read_tensors(tied) | {"model.embed_tokens.weight": embedding, "lm_head.weight": embedding}
    pickle_model(tied)
    torch.save(tensors, tied / "pytorch_model.bin")
    checkpoint = Checkpoint.open(tied)
    assert checkpoint.tied
    assert "lm_head.weight" not in checkpoint.tensors


@pytest.mark.slow
def test_safetensors_come_first_and_need_no_torch(folder):
    torch.save({"wrong": torch.ones(1)}, folder / "pytorch_model.bin")
    code = f"import sys; from nbmerge.checkpoints import Checkpoint as C; print(C.open({str(folder)!r}).depth, 'torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["3", "False"]


def test_an_adapter_may_be_pickled(folder, tmp_path):
    from safetensors.torch import load_file

    adapter = make_adapter(tmp_path / "a", folder, modules(Q))
    nbm.merge(passed_through(folder, adapter), tmp_path / "safe")
    torch.save(load_file(adapter / "adapter_model.safetensors"), adapter / "adapter_model.bin")
    (adapter / "adapter_model.safetensors").unlink()
    nbm.merge(passed_through(folder, adapter), tmp_path / "out")
    one, other = (read_tensors(tmp_path / x) for x in ("safe", "out"))
    assert all(torch.equal(t, other[n]) for n, t in one.items())


# --- what is refused ---


class Harm:
    def __reduce__(self):
        return os.system, ("touch /tmp/nbmerge-was-here",)


@pytest.mark.parametrize("what", [Harm(), Namespace(a=1), print], ids=["harm", "namespace", "function"])
def test_anything_but_tensors_is_not_unpickled(folder, what):
    pickle_model(folder)
    torch.save({"model.norm.weight": torch.ones(16), "other": what}, folder / "pytorch_model.bin")
    said = refused(folder)
    assert "more than tensors" in said
    assert not Path("/tmp/nbmerge-was-here").exists()


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ([torch.ones(2)], "not tensors by name"),
        ({"state_dict": {"w": torch.ones(2)}}, "is a dict"),
        ({"w": torch.ones(4, 6).t()}, "is not contiguous"),
        ({"w": torch.ones(3).to_sparse()}, "ordinary tensor"),
        ({"w": torch.ones(3, dtype=torch.complex128)}, "complex128"),
        ({3: torch.ones(3)}, "not tensors by name"),
        ({"w": 3}, "is a int"),
        ({}, "no tensors"),
    ],
    ids=str,
)
def test_other_pickled_contents_are_refused(folder, state, words):
    pickle_model(folder)
    torch.save(state, folder / "pytorch_model.bin")
    assert words in refused(folder)


def test_files_from_before_torch_1_6(folder):
    tensors = pickle_model(folder)
    torch.save(tensors, folder / "pytorch_model.bin", _use_new_zipfile_serialization=False)
    assert "before torch 1.6" in refused(folder)


def test_compressed_archives(folder):
    pickle_model(folder)
    file = folder / "pytorch_model.bin"
    with zipfile.ZipFile(file) as old, zipfile.ZipFile(folder / "new", "w", zipfile.ZIP_DEFLATED) as new:
        for member in old.infolist():
            new.writestr(member.filename, old.read(member))
    (folder / "new").replace(file)
    assert "compressed" in refused(folder)


def test_damaged_files(folder):
    tensors = pickle_model(folder)
    file = folder / "pytorch_model.bin"
    whole = file.read_bytes()
    for cut in (0, 10, len(whole) // 2, len(whole) - 30):
        file.write_bytes(whole[:cut])
        assert "pytorch_model.bin" in refused(folder)
    for at in range(200, len(whole), len(whole) // 40):  # nothing may pass that reads outside its storage
        file.write_bytes(whole[:at] + bytes(64) + whole[at + 64 :])
        try:
            found = Checkpoint.open(folder).tensors
        except CheckpointError:
            continue
        assert all(t.start + t.nbytes <= len(whole) for t in found.values())
        assert set(found) <= set(tensors) or at < 60_000


def test_shards_that_are_not_there(folder):
    pickle_model(folder, 3)
    (folder / "pytorch_model-00002-of-00003.bin").unlink()
    assert "is missing 1 of its shards" in refused(folder)


@pytest.mark.slow
def test_bytes_changed_at_random(tmp_path):
    """Every file is read with all tensors inside it, or refused by an error of ours."""
    import random

    folder = make_model(tmp_path / "x", layers=1)
    pickle_model(folder)
    whole, chance = (folder / "pytorch_model.bin").read_bytes(), random.Random(0)
    for _ in range(200):
        changed = bytearray(whole)
        for _ in range(chance.randint(1, 6)):
            where = chance.choice([range(2500), range(len(whole) - 4000, len(whole))])
            changed[chance.choice(where)] = chance.randrange(256)
        (folder / "pytorch_model.bin").write_bytes(changed)
        with suppress(CheckpointError):
            found = Checkpoint.open(folder).tensors.values()
            assert all(0 <= t.start <= t.start + t.nbytes <= len(whole) for t in found)


def test_torch_is_not_asked_to_unpickle(folder, monkeypatch):
    """No version of it can be made to run anything: the pickle is read here."""
    pickle_model(folder)
    asked = []
    monkeypatch.setattr(torch, "load", lambda *args, **kwargs: asked.append(args))
    assert Checkpoint.open(folder).depth == 3
    assert asked == []
