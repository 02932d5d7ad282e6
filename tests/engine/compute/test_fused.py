"""Blocks by compiled loops: when they are asked for, and what is done where they do not help."""

from __future__ import annotations

import pytest
import torch

from nbmerge.checkpoints import StoredTensor
from nbmerge.engine.compute import fused
from nbmerge.engine.compute.blocks import Blocks
from nbmerge.engine.compute.workspace import Workspace
from nbmerge.engine.planning.plans import TensorPlan
from tests.methods.apply import values_of


def plan_of(method: str, inputs: int, count: int, tmp_path, **parameters) -> TensorPlan:
    stored = tuple(StoredTensor("x", "bfloat16", (count,), tmp_path / "x", 0) for _ in range(inputs))
    values = values_of(method, inputs, parameters, based=method != "linear")
    return TensorPlan("x", (count,), "bfloat16", 0, "rest", method, stored, tuple("abc")[:inputs], values)


@pytest.mark.parametrize(
    ("method", "billions", "is_worth_it"),
    [("ties", 1.1, True), ("ties", 0.1, False), ("linear", 1.1, False), ("linear", 70.0, True)],
)
def test_loops_are_loaded_for_work_that_they_shorten(monkeypatch, tmp_path, method, billions, is_worth_it):
    asked = []
    monkeypatch.setattr(fused, "request", asked.append)
    plan = plan_of(method, 3, int(billions * 1e9), tmp_path, weight=0.5)
    fused.load_loops([plan])
    fused.load_loops([plan], times=10)
    assert (asked[0] >= 2) is is_worth_it
    assert asked[1] == pytest.approx(10 * asked[0])


class Loops:
    """Loops that write sevens, of which the second block is not finite."""

    def __init__(self):
        self.starts = []

    def find(self, dtypes, dtype):
        assert (dtypes, dtype) == (["bfloat16"], "bfloat16")

        def fused(inputs, start, result):
            self.starts.append(start)
            result.fill_(7)
            return start == 0

        return fused


def blocks_of(tmp_path, monkeypatch) -> Blocks:
    blocks = Blocks(plan_of("linear", 1, 1 << 19, tmp_path, weight=1.0), Workspace(None))
    monkeypatch.setattr(blocks, "stored", lambda i, start: torch.zeros(blocks.size(start), dtype=torch.bfloat16))
    return blocks


def test_what_is_not_finite_is_computed_without_a_loop(monkeypatch, tmp_path):
    loops, blocks = Loops(), blocks_of(tmp_path, monkeypatch)
    monkeypatch.setattr(fused, "find_loops", lambda: loops)
    reference = torch.full((4,), 3.0).bfloat16()
    block_at = fused.fuse(lambda start: reference, blocks, [0], torch.bfloat16, lambda loops, *how: loops.find(*how))
    first, second = blocks.starts()
    assert block_at(first).eq(7).all()
    assert blocks.workspace.finite_at == first
    assert block_at(second) is reference
    assert loops.starts == [first, second]


def test_without_loops_nothing_is_wrapped(monkeypatch, tmp_path):
    blocks = blocks_of(tmp_path, monkeypatch)
    monkeypatch.setattr(fused, "find_loops", lambda: None)
    assert fused.fuse(len, blocks, [0], torch.bfloat16, None) is len
