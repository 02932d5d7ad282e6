"""Pickles are read as data: hostile ones of every protocol are named, and none takes long or much memory."""

import os
import pickle
import resource
from contextlib import suppress

import pytest
import torch

from nbmerge.checkpoints.pickles import (
    MAX_INSTRUCTIONS,
    ForeignImport,
    Other,
    PickledTensor,
    UnpicklingError,
    foreign_import,
    unpickle,
)  # fmt: skip
from tests.costs import rest_is_slow


class Harm:
    def __reduce__(self):
        return os.system, ("touch /tmp/nbmerge-was-here",)


def saved(state, tmp_path, **more) -> bytes:
    from zipfile import ZipFile

    torch.save(state, tmp_path / "x.bin", **more)
    with ZipFile(tmp_path / "x.bin") as archive:
        return archive.read("x/data.pkl")


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_tensors_are_described(tmp_path, protocol):
    whole = torch.arange(12.0).view(3, 4)
    state = {
        "a": whole, "part": whole[1:], "turned": whole.t(), "p": torch.nn.Parameter(torch.ones(2)),
        "f8": torch.ones(2, 2).to(torch.float8_e4m3fn), "sparse": torch.ones(2).to_sparse(), "n": 1, "none": None,
    }  # fmt: skip
    found = unpickle(saved(state, tmp_path, pickle_protocol=protocol))
    assert list(found) == list(state)
    assert [found[n].shape for n in ("a", "part", "turned", "p", "f8")] == [(3, 4), (2, 4), (4, 3), (2,), (2, 2)]
    assert (found["part"].offset, found["part"].storage) == (4, found["a"].storage)
    assert [found[n].is_contiguous for n in ("a", "part", "turned")] == [True, True, False]
    assert (found["a"].dtype, found["f8"].dtype) == ("float32", "float8_e4m3fn")
    assert found["sparse"] == Other("a sparse tensor")
    assert (found["n"], found["none"]) == (1, None)


@pytest.mark.parametrize("protocol", range(6))
def test_imports_of_a_pickle_are_named(protocol):
    raw = pickle.dumps({"w": Harm()}, protocol=protocol)
    with pytest.raises(ForeignImport, match="system"):
        unpickle(raw)
    assert foreign_import(raw) == f"{os.system.__module__}.system"


@pytest.mark.parametrize("raw", [b"cbuiltins\neval\n(S'1'\ntR.", b"(S'1'\nibuiltins\neval\n."])
def test_the_oldest_ways_to_call(raw):
    assert foreign_import(raw) == "builtins.eval"


BOMBS = {
    "lists": lambda: b"\x80\x02" + b"]" * 15_000_000 + b".",
    "marks": lambda: b"\x80\x02" + b"(" * 15_000_000 + b".",
    "memo": lambda: b"\x80\x04]" + b"\x94" * 15_000_000 + b".",
    "nested": lambda: b"\x80\x02)" + b"\x85" * 15_000_000 + b".",
    "doubled": lambda: b"\x80\x02)" + b"2\x86" * 7_000_000 + b".",
    "long": lambda: b"\x80\x02" + b"]" * 17_000_000,
    "bytearray": lambda: b"\x80\x02cbuiltins\nbytearray\n\x8a\x05\x00\x00\x00\x00\x7f\x85R.",
    "size": lambda: b"\x80\x02ctorch\nSize\n](" + b"K\x01" * 1000 + b"e\x85R.",
    "keys": lambda: (
        b"\x80\x02}("
        + b"".join(b"\x8a\x0e" + (i * (2**61 - 1)).to_bytes(14, "little") + b"N" for i in range(40_000))
        + b"u."
    ),
}
"""Made where they are needed: some are long."""


@pytest.mark.parametrize("name", rest_is_slow(BOMBS, ("long", "bytearray", "size", "keys")))
def test_pickle_bombs_end_early(name):
    """In time and memory: both follow from the number of instructions, which is bounded."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with suppress(UnpicklingError):
        assert isinstance(unpickle(BOMBS[name]()), Other | dict)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300_000


@pytest.mark.slow
def test_the_number_of_instructions_is_bounded():
    with pytest.raises(UnpicklingError, match=f"{MAX_INSTRUCTIONS:,} instructions"):
        unpickle(BOMBS["nested"]())


def test_impossible_tensors():
    head = b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n((X\x07\x00\x00\x00storage"
    head += b"ctorch\nFloatStorage\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpuK\x01tQ"
    assert isinstance(unpickle(head + b"K\x00K\x01\x85K\x01\x85\x89)tR."), PickledTensor)
    for numbers in (b"J\xff\xff\xff\xffK\x01\x85K\x01\x85", b"K\x00K\x01\x85)", b"K\x00(" + b"K\x01" * 40 + b"t2",
                    b"K\x00\x8a\x09" + b"\x00" * 8 + b"\x01\x85K\x01\x85"):  # fmt: skip
        with pytest.raises(UnpicklingError):
            unpickle(head + numbers + b"\x89)tR.")


def test_damaged_pickles(tmp_path):
    raw = saved({"a": torch.ones(3)}, tmp_path)
    for cut in range(len(raw)):
        with pytest.raises(UnpicklingError):
            unpickle(raw[:cut])
