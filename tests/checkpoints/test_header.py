"""Safetensors headers: read exactly, and damaged or hostile ones refused in words and at once."""

import json
import math

import pytest
import torch
from safetensors.torch import save_file

from nbmerge.checkpoints.header import read_header
from nbmerge.errors import CheckpointError
from tests.limits import processor_seconds

GOOD = {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 16]}
NEXT = {"dtype": "F32", "shape": [2], "data_offsets": [16, 24]}


def write(folder, header, data: int = 64, length: int | None = None):
    """A file with this header (a mapping, or raw bytes) and `data` bytes behind it."""
    raw = header if isinstance(header, bytes) else json.dumps(header).encode()
    file = folder / "model.safetensors"
    file.write_bytes((len(raw) if length is None else length).to_bytes(8, "little") + raw + bytes(data))
    return file


def refused(file) -> str:
    with processor_seconds(5), pytest.raises(CheckpointError) as caught:
        read_header(file)
    assert len(str(caught.value)) < 2000
    assert str(file) in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("dtype", "name", "nbytes"),
    [
        (torch.float64, "float64", 8), (torch.float32, "float32", 4), (torch.float16, "float16", 2),
        (torch.bfloat16, "bfloat16", 2), (torch.int64, "int64", 8), (torch.int32, "int32", 4),
        (torch.int16, "int16", 2), (torch.int8, "int8", 1), (torch.uint8, "uint8", 1), (torch.bool, "bool", 1),
        (torch.float8_e4m3fn, "float8_e4m3fn", 1), (torch.float8_e5m2, "float8_e5m2", 1),
    ],
)  # fmt: skip
def test_every_dtype_that_the_library_writes(tmp_path, dtype, name, nbytes):
    tensor = torch.ones(3, 5).to(dtype)
    save_file({"a": tensor}, tmp_path / "x.safetensors")
    stored = read_header(tmp_path / "x.safetensors")[0]["a"]
    assert (stored.dtype, stored.shape, stored.count, stored.nbytes) == (name, (3, 5), 15, 15 * nbytes)
    assert stored.is_float == (name in ("float64", "float32", "float16", "bfloat16"))


def test_the_place_of_every_byte(tmp_path):
    tensors = {
        "b": torch.arange(6.0).reshape(2, 3),
        "a": torch.tensor(7.0),
        "c": torch.zeros(0, 4),
        "d": torch.arange(4.0),
    }
    file = tmp_path / "x.safetensors"
    save_file(tensors, file, metadata={"format": "pt", "note": "ünïcode"})
    stored, metadata = read_header(file)
    assert metadata == {"format": "pt", "note": "ünïcode"}
    raw = file.read_bytes()
    for name, tensor in tensors.items():
        assert stored[name].shape == tuple(tensor.shape)
        assert raw[stored[name].start :][: stored[name].nbytes] == tensor.numpy().tobytes()
        assert stored[name].file == file


def test_a_header_with_nothing_in_it(tmp_path):
    assert read_header(write(tmp_path, {}, data=0)) == ({}, {})


def test_holes_and_bytes_at_the_end_are_refused(tmp_path):
    """As the library does."""
    assert "belong to no tensor" in refused(
        write(tmp_path, {"a": GOOD, "b": NEXT | {"data_offsets": [32, 40]}}, data=40)
    )
    assert "after the last tensor" in refused(write(tmp_path, {"a": GOOD}, data=17))


@pytest.mark.parametrize(
    "content", [b"", b"1234567", b"\x08" + bytes(7), b"\xff" * 8, b"<html>Not found</html>", b"PK\x03\x04" * 100]
)
def test_other_files_are_refused_as_safetensors(tmp_path, content):
    (tmp_path / "x.safetensors").write_bytes(content)
    assert "header" in refused(tmp_path / "x.safetensors")


@pytest.mark.parametrize("length", [0, 1, 10**9, 2**63, 2**64 - 1])
def test_a_header_of_impossible_length(tmp_path, length):
    assert "bytes long" in refused(write(tmp_path, {"a": GOOD}, length=length))


def test_a_header_that_claims_more_than_the_format_allows_is_not_read(tmp_path):
    file = tmp_path / "x.safetensors"
    with open(file, "wb") as f:
        f.write((2 * 10**9).to_bytes(8, "little"))
        f.truncate(10**10)
    assert "bytes long" in refused(file)


@pytest.mark.parametrize("cut", [1, 8, 24])
def test_truncated(tmp_path, cut):
    file = write(tmp_path, {"a": GOOD, "b": NEXT}, data=24)
    file.write_bytes(file.read_bytes()[:-cut])
    said = refused(file)
    assert "truncated" in said
    assert "again" in said


BAD_JSON = [
    b"{", b"{'a': 1}", b"[]", b"5", b"null", b'"a"', b"\xff\xfe{}", b"[" * 100_000, b'{"a":' * 50_000,
    b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}',
    b'{"a":{"dtype":"F32","dtype":"F16","shape":[1],"data_offsets":[0,4]}}',
    b'{"a":{"dtype":"F32","shape":[' + b"9" * 5000 + b'],"data_offsets":[0,4]}}',
    b'{"a":{"dtype":"F32","shape":[NaN],"data_offsets":[0,4]}}',
    b'{"a":{"dtype":"F32","shape":[1e999],"data_offsets":[0,4]}}',
]  # fmt: skip


@pytest.mark.parametrize("raw", BAD_JSON, ids=range(len(BAD_JSON)))
def test_bad_json(tmp_path, raw):
    assert "not a valid" in refused(write(tmp_path, raw))


BAD_ENTRIES = {
    "no entry": 5,
    "null": None,
    "a list": [1, 2],
    "a text": "F32",
    "no dtype": {"shape": [2], "data_offsets": [0, 8]},
    "no shape": {"dtype": "F32", "data_offsets": [0, 8]},
    "no offsets": {"dtype": "F32", "shape": [2]},
    "a negative size": GOOD | {"shape": [-2, -2]},
    "a fraction": GOOD | {"shape": [2.0, 2]},
    "a flag": GOOD | {"shape": [True, 4]},
    "a text as size": GOOD | {"shape": ["2", 2]},
    "no list as shape": GOOD | {"shape": 4},
    "a mapping as shape": GOOD | {"shape": {"0": 4}},
    "negative offsets": GOOD | {"data_offsets": [-16, 0]},
    "one offset": GOOD | {"data_offsets": [16]},
    "three offsets": GOOD | {"data_offsets": [0, 8, 16]},
    "offsets in words": GOOD | {"data_offsets": "ab"},
    "offsets the wrong way round": GOOD | {"data_offsets": [16, 0]},
    "too few bytes": GOOD | {"data_offsets": [0, 12]},
    "too many bytes": GOOD | {"data_offsets": [0, 20]},
    "a shape too large": GOOD | {"shape": [2**61, 2**61]},
    "a shape of many sizes": GOOD | {"shape": [2**61] * 300},
    "a shape of very many sizes": GOOD | {"shape": [2**61] * 100_000},
    "offsets too large": GOOD | {"data_offsets": [2**70, 2**70 + 16]},
}


@pytest.mark.parametrize("name", BAD_ENTRIES)
def test_an_entry_that_cannot_be_true(tmp_path, name):
    assert "'tensor'" in refused(write(tmp_path, {"tensor": BAD_ENTRIES[name]}))


@pytest.mark.parametrize("dtype", ["F4", "f32", "float32", "", 5, None, [], {}, "X" * 100_000])
def test_an_unknown_dtype(tmp_path, dtype):
    assert "'tensor'" in refused(write(tmp_path, {"tensor": GOOD | {"dtype": dtype}}))


@pytest.mark.parametrize(
    "offsets", [[0, 8], [8, 16], [12, 20], [4, 12]], ids=["the same place", "the end", "across the end", "inside"]
)
def test_overlapping_tensors(tmp_path, offsets):
    assert "overlap" in refused(write(tmp_path, {"a": GOOD, "b": NEXT | {"data_offsets": offsets}}))


def test_offsets_past_the_end(tmp_path):
    assert "truncated" in refused(write(tmp_path, {"a": GOOD, "b": NEXT | {"data_offsets": [1000, 1008]}}))
    assert "truncated" in refused(write(tmp_path, {"a": GOOD | {"shape": [0], "data_offsets": [10**15, 10**15]}}))


@pytest.mark.parametrize("metadata", [[], "text", 5])
def test_metadata_of_another_kind(tmp_path, metadata):
    assert "__metadata__" in refused(write(tmp_path, {"__metadata__": metadata, "a": GOOD}))


def test_a_very_long_name_does_not_fill_the_screen(tmp_path):
    refused(write(tmp_path, {"a" * 1_000_000: GOOD | {"shape": [3]}}))


def test_a_file_that_is_not_there_or_a_folder(tmp_path):
    refused(tmp_path / "nothing.safetensors")
    (tmp_path / "folder.safetensors").mkdir()
    refused(tmp_path / "folder.safetensors")


@pytest.mark.slow
def test_many_tensors_are_read_quickly(tmp_path):
    header = {f"model.layers.{i}.weight": GOOD | {"data_offsets": [16 * i, 16 * i + 16]} for i in range(20_000)}
    with processor_seconds(5):
        tensors, _ = read_header(write(tmp_path, header, data=16 * 20_000))
    assert sum(math.prod(t.shape) for t in tensors.values()) == 4 * 20_000
