"""Carrying out a plan: workers, progress, stopping, and how little of a tensor is held at once."""

import os
import threading

import pytest
import torch

from nbmerge.engine.compute import blocks as blocks_module
from nbmerge.engine.compute.pool import run
from nbmerge.engine.merge import merge
from nbmerge.engine.planning.planner import plan
from nbmerge.errors import MergeError, MergeStopped
from nbmerge.progress import Event
from nbmerge.recipe import Recipe
from tests.models import make_model, read_tensors
from tests.resources import nothing_kept

METHODS = ["linear", "slerp", "task_arithmetic", "ties", "dare_linear", "dare_ties"]


def recipe(family, method: str) -> Recipe:
    models = [{"model": str(m), "parameters": {"weight": w}} for m, w in ((family.ft1, 0.3), (family.ft2, 0.4))]
    data = {"merge_method": method, "models": models, "base_model": str(family.base), "random_seed": 3}
    if method == "slerp":
        data |= {"models": [str(family.ft1), str(family.ft2)], "base_model": str(family.ft1), "parameters": {"t": 0.3}}
    elif method not in ("linear", "task_arithmetic"):
        data["parameters"] = {"density": 0.4}
    return Recipe.of(data)


def collected(tensors, **more) -> dict[str, torch.Tensor]:
    """Run and put the blocks together."""
    out = {t.name: torch.empty(t.count, dtype=getattr(torch, t.dtype)) for t in tensors}

    def sink(tensor, _blocks):
        def emit(start, block):
            out[tensor.name][start : start + block.numel()] = block

        return emit

    run(tensors, sink, **more)
    return out


@pytest.mark.parametrize("method", METHODS)
def test_any_part_of_a_plan_in_any_order_on_any_number_of_threads(family, method):
    p = plan(recipe(family, method))
    whole = collected(p.tensors, threads=1)
    part = collected(p.tensors[::-3], threads=3)
    assert part
    assert all(torch.equal(part[n], whole[n]) for n in part)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.rest_is_slow(keep=4)
def test_small_blocks_come_to_the_same(family, method, monkeypatch):
    p = plan(recipe(family, method))
    whole = collected(p.tensors, threads=1)
    monkeypatch.setattr(blocks_module, "BLOCK", 64)
    blockwise = collected(p.tensors, threads=1)
    for name in whole:
        if method == "slerp":  # its sums are taken over blocks
            assert torch.allclose(whole[name], blockwise[name], rtol=1e-6, atol=1e-7)
        else:
            assert torch.equal(whole[name], blockwise[name])


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.rest_is_slow(keep=4)
def test_no_tensor_is_read_or_written_in_one_piece(family, method, tmp_path, monkeypatch):
    monkeypatch.setattr(blocks_module, "BLOCK", 64)
    read, write, reads, writes = os.preadv, os.pwrite, [], []

    def preadv(fd, buffers, offset):
        reads.append(sum(len(b) for b in buffers))
        return read(fd, buffers, offset)

    def pwrite(fd, data, offset):
        writes.append(len(data) if offset else 0)  # the header apart
        return write(fd, data, offset)

    monkeypatch.setattr(os, "preadv", preadv)
    monkeypatch.setattr(os, "pwrite", pwrite)
    planned = plan(recipe(family, method))
    merge(planned, tmp_path / "out", threads=1)
    assert max(t.nbytes for t in planned.tensors) >= 6 * 64 * 4
    assert max(reads) <= 64 * 4
    assert max(writes) <= 64 * 4
    assert sum(reads) <= 2 * planned.bytes_read


def test_a_model_with_no_share_is_not_read(family, monkeypatch):
    data = {"merge_method": "linear", "models": [str(family.base), str(family.ft1)], "parameters": {"weight": 1}}
    p = plan(Recipe.of(data).with_parameter("weight", 0, model="base"))
    opened, real = [], os.open
    monkeypatch.setattr(
        os, "open", lambda path, *args, **kwargs: opened.append(str(path)) or real(path, *args, **kwargs)
    )
    collected(p.tensors, threads=1)
    assert not any(str(family.base) in path for path in opened)
    assert any(str(family.ft1) in path for path in opened)


# --- progress ---


def events(family, tmp_path, **more) -> list[Event]:
    told = []
    merge(recipe(family, "linear"), tmp_path / "out", progress=told.append, **more)
    return [event for event in told if event.kind != "bytes"]  # which come as time passes


@pytest.mark.parametrize("threads", [1, 4])
def test_progress_events_count_tensors_and_bytes(family, tmp_path, threads):
    told = events(family, tmp_path, threads=threads)
    names = list(read_tensors(family.base))
    assert [e.kind for e in told] == ["planned", *["tensor"] * len(names), "saving", "finished"]
    assert sorted(e.tensor for e in told if e.kind == "tensor") == sorted(names)
    assert [e.tensors_done for e in told] == [0, *range(1, len(names) + 1), len(names), len(names)]
    assert [e.bytes_done for e in told] == sorted(e.bytes_done for e in told)
    assert {e.tensors for e in told} == {len(names)}
    assert told[-1].bytes_done == told[-1].bytes == 4 * sum(t.numel() for t in read_tensors(family.base).values())
    assert [e.seconds for e in told] == sorted(e.seconds for e in told)


def test_the_time_that_is_left():
    assert Event("planned", 10, 1000).seconds_left is None
    half_way = Event("tensor", 10, 1000, "x", 5, 500, 4.0)
    assert half_way.seconds_left == 4.0
    assert "5 of 10 tensors" in str(half_way)
    assert Event("finished", 10, 1000, "", 10, 1000, 8.0).seconds_left == 0


def test_a_listener_is_called_one_call_at_a_time(family, tmp_path):
    busy, clashes = threading.Lock(), []

    def listener(event):
        if not busy.acquire(blocking=False):
            clashes.append(event)
        else:
            busy.release()

    merge(recipe(family, "linear"), tmp_path / "out", progress=listener, threads=4)
    assert not clashes


def test_a_failure_is_reported(family, tmp_path):
    base = make_model(tmp_path / "base")
    p = plan(Recipe.of({"merge_method": "linear", "models": [str(base), str(family.ft1)], "parameters": {"weight": 1}}))
    os.truncate(base / "model.safetensors", 5000)
    told = []
    with pytest.raises(MergeError):
        merge(p, tmp_path / "out", progress=told.append, threads=2)
    assert told[-1].kind == "failed"
    assert "model.safetensors" in told[-1].error


# --- stopping ---


@pytest.mark.parametrize("threads", [1, 4])
def test_a_stop_answers_within_the_tensors_at_work(family, tmp_path, threads):
    cancel, told = threading.Event(), []

    def listener(event):
        told.append(event)
        if event.tensors_done == 3:
            cancel.set()

    with pytest.raises(MergeStopped):
        merge(recipe(family, "ties"), tmp_path / "out", progress=listener, cancel=cancel, threads=threads)
    assert told[-1].kind == "stopped"
    assert told[-1].tensors_done <= 3 + threads


def test_a_stop_answers_within_a_tensor(tmp_path, monkeypatch):
    monkeypatch.setattr(blocks_module, "BLOCK", 64)
    model = make_model(tmp_path / "model", layers=1)
    (largest, *_) = sorted(plan(passthrough(model)).tensors, key=lambda t: -t.count)
    cancel, seen = threading.Event(), []

    def sink(tensor, _blocks):
        def emit(start, block):
            seen.append(start)
            cancel.set()

        return emit

    with pytest.raises(MergeStopped):
        run([largest], sink, cancel=cancel, threads=1)
    assert seen == [0]


def passthrough(model) -> Recipe:
    return Recipe.of({"merge_method": "passthrough", "models": [str(model)]})


def test_a_stop_before_the_start(family, tmp_path):
    cancel = threading.Event()
    cancel.set()
    told = []
    with pytest.raises(MergeStopped):
        merge(recipe(family, "linear"), tmp_path / "out", cancel=cancel, progress=told.append)
    assert [e.tensors_done for e in told] == [0] * len(told)


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="needs /proc")
def test_threads_and_files_are_closed_after_a_merge(family, tmp_path):
    merge(recipe(family, "linear"), tmp_path / "warm", threads=3)
    with nothing_kept():
        merge(recipe(family, "linear"), tmp_path / "out", threads=3)
        cancel = threading.Event()
        with pytest.raises(MergeStopped):
            merge(
                recipe(family, "linear"),
                tmp_path / "stopped",
                cancel=cancel,
                threads=3,
                progress=lambda e: cancel.set(),
            )


def test_the_threads_of_torch_are_restored(family, tmp_path):
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        merge(recipe(family, "linear"), tmp_path / "out", threads=2)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_nothing_to_do():
    assert collected([]) == {}


# --- systems without positioned reading and writing ---


def test_systems_that_cannot_read_and_write_at_a_place(family, tmp_path, monkeypatch):
    whole = read_tensors(merge(recipe(family, "ties"), tmp_path / "whole", threads=1).path)
    for call in ("preadv", "pwrite", "posix_fallocate"):
        monkeypatch.delattr(os, call, raising=False)
    out = read_tensors(merge(recipe(family, "ties"), tmp_path / "out", threads=4, max_shard_size=4000).path)
    assert all(torch.equal(out[n], whole[n]) for n in whole)


def test_an_interrupt_from_the_keyboard_ends_the_workers(family, tmp_path, monkeypatch):
    join, first = threading.Thread.join, []

    def interrupted(self, timeout=None):
        if self.name.startswith("nbmerge") and not first:
            first.append(self)
            raise KeyboardInterrupt
        return join(self, timeout)

    monkeypatch.setattr(threading.Thread, "join", interrupted)
    with nothing_kept(), pytest.raises(KeyboardInterrupt):
        merge(recipe(family, "ties"), tmp_path / "out", threads=2)
    assert not (tmp_path / "out").exists()
