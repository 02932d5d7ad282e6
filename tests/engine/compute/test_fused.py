"""Blocks by compiled loops, and what is done where they do not help."""

from __future__ import annotations

import torch

from nbmerge.engine.compute import fused
from nbmerge.engine.compute.blocks import Blocks
from nbmerge.engine.compute.workspace import Workspace
from tests.engine.compute.test_loop_loading import plan_of


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
