"""The same recipe and parents give the same bytes: for any threads, order of work, shard size, process and restart."""

import os
import queue
import subprocess
import sys
import threading

import pytest
import torch

from nbmerge.engine.compute import pool as run_module
from nbmerge.engine.merge import merge
from nbmerge.errors import MergeStopped
from nbmerge.methods import methods
from nbmerge.recipe import Recipe
from tests.costs import rest_is_slow
from tests.engine.compute.test_stops import recipe
from tests.engine.output.faults import contents
from tests.models import Family, make_family, read_tensors

QUICK = ("della", "linear")
RANDOM = ("dare_ties", "dare_linear", "della", "ties", "slerp", "linear")


@pytest.fixture(scope="module")
def family(tmp_path_factory) -> Family:
    """Tensors of several blocks, in bfloat16."""
    sizes = {"layers": 2, "hidden": 96, "intermediate": 160, "vocab": 3000, "dtype": "bfloat16"}
    return make_family(tmp_path_factory.mktemp("family"), **sizes, tokenizer=False)


class Backwards(queue.SimpleQueue):
    """Gives what was put last first, so the smallest tensors before the largest."""

    def __init__(self):
        self._items = []

    def put(self, item) -> None:
        self._items.append(item)

    def get_nowait(self):
        try:
            return self._items.pop()
        except IndexError:
            raise queue.Empty from None


@pytest.mark.parametrize("method", rest_is_slow(methods(), (*QUICK, "nuslerp", "sce", "tsv_m")))
@pytest.mark.rest_is_slow(keep=4)
def test_threads_and_the_order_of_work(method, family, tmp_path, monkeypatch):
    r = recipe(method, family)
    whole = contents(merge(r, tmp_path / "one", threads=1).path)
    assert contents(merge(r, tmp_path / "three", threads=3).path) == whole
    monkeypatch.setattr(run_module.queue, "SimpleQueue", Backwards)
    assert contents(merge(r, tmp_path / "backwards", threads=2).path) == whole


@pytest.mark.parametrize("method", rest_is_slow(RANDOM, QUICK))
def test_shards_change_files_but_no_tensor(method, family, tmp_path):
    r = recipe(method, family)
    whole = read_tensors(merge(r, tmp_path / "one").path)
    for size in (1, 50_000, 300_000):
        parts = read_tensors(merge(r, tmp_path / str(size), max_shard_size=size).path)
        assert parts.keys() == whole.keys()
        assert all(torch.equal(parts[n], whole[n]) for n in whole)


@pytest.mark.parametrize("method", rest_is_slow(RANDOM, QUICK))
def test_repeatedly_stopped_merges_give_the_same_bytes(method, family, tmp_path):
    """Stopped again and again, with other threads each time."""
    r = recipe(method, family)
    whole = contents(merge(r, tmp_path / "whole", max_shard_size=200_000).path)
    for i in range(1, 6):
        stop = threading.Event()
        with pytest.raises(MergeStopped):
            merge(
                r, tmp_path / "out", max_shard_size=200_000, threads=1 + i % 3, cancel=stop,
                progress=lambda e, stop=stop: stop.set() if e.kind == "tensor" else None,
            )  # fmt: skip
    assert contents(merge(r, tmp_path / "out", max_shard_size=200_000).path) == whole


def test_torchs_own_threads(family, tmp_path):
    """What the program around has set does not matter."""
    r, kept = recipe("ties", family), torch.get_num_threads()
    whole = contents(merge(r, tmp_path / "one").path)
    try:
        torch.set_num_threads(3)
        assert contents(merge(r, tmp_path / "three").path) == whole
    finally:
        torch.set_num_threads(kept)


@pytest.mark.slow
def test_another_process(family, tmp_path):
    """With other hashes of texts, so that no set or mapping decides an order."""
    r = recipe("dare_ties", family)
    whole = contents(merge(r, tmp_path / "here").path)
    code = "import sys, nbmerge as nbm; nbm.merge(nbm.Recipe.load(sys.stdin.read()), sys.argv[1], threads=2)"
    command = [sys.executable, "-c", code, str(tmp_path / "there")]
    text = Recipe.to_yaml(r)
    subprocess.run(command, input=text, text=True, check=True, env=os.environ | {"PYTHONHASHSEED": "77"})
    assert contents(tmp_path / "there") == whole
