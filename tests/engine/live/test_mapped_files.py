"""Stored tensors seen in their files: the same numbers, whatever the layout, and never an old file's."""

import json
import struct

import pytest
import torch

from nbmerge.checkpoints import StoredTensor
from nbmerge.checkpoints.header import read_header
from nbmerge.engine.live.mapped_files import MappedFiles
from nbmerge.errors import MergeError
from tests.models import make_model, read_tensors


def test_every_tensor_is_what_is_stored(tmp_path):
    folder = make_model(tmp_path / "m", dtype="bfloat16", shards=2)
    mapped, expected = MappedFiles(), read_tensors(folder)
    for file in folder.glob("*.safetensors"):
        for name, stored in read_header(file)[0].items():
            assert torch.equal(mapped.tensor(stored), expected[name])
            assert mapped.flat(stored).data_ptr() == mapped.tensor(stored).data_ptr()
    assert mapped.nbytes == sum(f.stat().st_size for f in folder.glob("*.safetensors"))


def test_a_place_that_processors_do_not_like_is_copied(tmp_path):
    header = json.dumps({"x": {"dtype": "F32", "shape": [3], "data_offsets": [0, 12]}}).encode()
    header += b" " * (1 - len(header) % 2)  # an odd length
    file = tmp_path / "odd.safetensors"
    file.write_bytes(struct.pack("<Q", len(header)) + header + struct.pack("<3f", 1, 2, 3))
    (stored,) = read_header(file)[0].values()
    assert stored.start % 4
    assert MappedFiles().tensor(stored).tolist() == [1, 2, 3]


def test_writing_to_a_tensor_leaves_the_file_as_it_is(tmp_path):
    folder = make_model(tmp_path / "m")
    before = (folder / "model.safetensors").read_bytes()
    stored = next(iter(read_header(folder / "model.safetensors")[0].values()))
    MappedFiles().flat(stored).zero_()
    assert (folder / "model.safetensors").read_bytes() == before


def test_a_file_that_was_replaced_is_returned_and_mapped_again(tmp_path):
    folder = make_model(tmp_path / "m")
    file = folder / "model.safetensors"
    stored = next(iter(read_header(file)[0].values()))
    mapped = MappedFiles()
    before = mapped.flat(stored).clone()
    assert mapped.refresh() == set()
    make_model(tmp_path / "other", seed=5)
    (tmp_path / "other" / "model.safetensors").replace(file)
    assert mapped.refresh() == {file}
    assert not torch.equal(mapped.flat(stored), before)


def test_a_tensor_that_cannot_be_mapped_has_the_reason(tmp_path):
    (tmp_path / "short").write_bytes(b"123")
    with pytest.raises(MergeError, match="ended before x"):
        MappedFiles().flat(StoredTensor("x", "float32", (4,), tmp_path / "short", 0))
    with pytest.raises(MergeError, match="none cannot be read"):
        MappedFiles().flat(StoredTensor("x", "float32", (4,), tmp_path / "none", 0))
