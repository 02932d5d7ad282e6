"""Reading ahead: what a merge will read is in the system's cache before it is asked for."""

import os
import threading
import time
from dataclasses import replace

import pytest

from nbmerge.engine import read_ahead
from nbmerge.engine.planning.planner import plan
from nbmerge.engine.planning.plans import TensorPlan
from nbmerge.engine.read_ahead import reading_ahead
from nbmerge.recipe import Recipe

pytestmark = pytest.mark.skipif(not hasattr(os, "RWF_NOWAIT"), reason="this system cannot say what is in its cache")


@pytest.fixture
def tensors(family) -> list[TensorPlan]:
    inputs = [{"model": str(m), "parameters": {"weight": 0.5}} for m in (family.ft1, family.ft2)]
    return list(plan(Recipe.of({"merge_method": "linear", "models": inputs})).tensors)


@pytest.fixture
def reads(monkeypatch) -> list[tuple[int, int]]:
    """Offset and size of what is read, other than to see whether it is in the cache."""
    found, real = [], os.preadv

    def preadv(descriptor, buffers, offset, flags=0):
        if not flags:
            found.append((offset, len(buffers[0])))
        return real(descriptor, buffers, offset, flags)

    monkeypatch.setattr(os, "preadv", preadv)
    return found


def wait_for_the_reader() -> None:
    """Until it has come to the end of its list by itself."""
    end = time.monotonic() + 60
    while any(t.name == "nbmerge-read-ahead" for t in threading.enumerate()):
        assert time.monotonic() < end
        time.sleep(0.001)


def test_all_inputs_are_read_the_largest_first(tensors, reads, monkeypatch):
    monkeypatch.setattr(read_ahead, "is_cached", lambda *_: False)
    with reading_ahead(tensors):
        wait_for_the_reader()
    ordered = [leaf for t in sorted(tensors, key=lambda t: -t.count) for leaf in t.leaves()]
    assert reads == [(leaf.start, leaf.nbytes) for leaf in ordered]


def test_what_is_in_the_cache_is_not_read_again(tensors, reads):
    for leaf in tensors[0].leaves():
        leaf.file.read_bytes()
    with reading_ahead(tensors[:1]):
        wait_for_the_reader()
    assert reads == []


def test_no_more_is_read_than_fits_into_memory(tensors, reads, monkeypatch):
    monkeypatch.setattr(read_ahead, "is_cached", lambda *_: False)
    monkeypatch.setattr(read_ahead, "available_memory", lambda: 10_000)
    with reading_ahead(tensors):
        wait_for_the_reader()
    assert 0 < sum(size for _, size in reads) <= 5_000


def test_a_file_that_cannot_be_read_is_left_to_the_merge(tensors, reads, tmp_path):
    gone = [replace(t, inputs=tuple(replace(i, file=tmp_path / "gone") for i in t.inputs)) for t in tensors]
    with reading_ahead(gone):
        wait_for_the_reader()
    assert reads == []
