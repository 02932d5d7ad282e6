"""A stop is answered at once, also inside a matrix that cannot be interrupted."""

import threading

import pytest

from nbmerge.engine.compute import pool
from nbmerge.engine.compute.tensor import compute
from nbmerge.engine.planning import plan
from nbmerge.errors import MergeStopped


@pytest.mark.slow
def test_a_worker_inside_a_matrix_is_left_behind_and_hands_nothing_on(family, monkeypatch):
    inside, leave, late = threading.Event(), threading.Event(), threading.Event()

    def slow(tensor, blocks, emit, span):
        inside.set()
        leave.wait(60)
        try:
            return compute(tensor, blocks, emit, span)
        finally:
            late.set()

    monkeypatch.setattr(pool, "compute", slow)
    tensors = plan(
        {"merge_method": "linear", "models": [str(family.base), str(family.ft1)], "parameters": {"weight": 1}}
    )
    stop, handed_on = threading.Event(), []

    def sink(tensor, blocks):
        return lambda start, block: handed_on.append(tensor.name)

    def stop_soon():
        inside.wait(60)
        stop.set()

    stopping = threading.Thread(target=stop_soon)
    stopping.start()
    with pytest.raises(MergeStopped):
        pool.run(tensors.tensors, sink, cancel=stop, threads=2)
    assert not late.is_set()  # the worker is still inside, and would be for a minute
    assert pool.GRACE <= 0.5
    stopping.join()
    leave.set()
    assert late.wait(60)
    assert handed_on == []


def test_a_stop_after_the_last_tensor_has_no_effect(family):
    made = plan({"merge_method": "linear", "models": [str(family.base), str(family.ft1)], "parameters": {"weight": 1}})
    stop = threading.Event()

    def watch(event):
        if event.tensors_done == event.tensors:
            stop.set()

    pool.run(made.tensors, lambda tensor, blocks: lambda start, block: None, cancel=stop, progress=watch, threads=1)
    assert stop.is_set()
