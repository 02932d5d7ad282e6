"""Bare weights as one file, killed at random instants: there is no file or a whole one, and the next run comes to the same."""

import os
import random
import time

import pytest
import torch
from safetensors.torch import save_file

from nbmerge.engine.merge import merge
from tests.bare_weights import linear
from tests.engine.output.faults import ended, forked, killed_after

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")


@pytest.mark.parametrize("kills", [5, pytest.param(40, marks=pytest.mark.slow)])
def test_kills_at_random_instants(tmp_path, kills):
    files = [tmp_path / f"{n}.safetensors" for n in "ab"]
    for i, file in enumerate(files):
        save_file({f"blocks.{j}.w": torch.full((64, 64), float(i + j)) for j in range(40)}, file)

    def run(out):
        merge(linear(*files), out, threads=1, progress=False)

    began = time.perf_counter()
    assert ended(forked(lambda: run(tmp_path / "whole.safetensors"))) == 0
    seconds, expected = time.perf_counter() - began, (tmp_path / "whole.safetensors").read_bytes()
    rng = random.Random(1)
    for i in range(kills):
        out = tmp_path / f"out-{i}.safetensors"
        assert killed_after(forked(lambda out=out: run(out)), rng.uniform(0, 1.15 * seconds)) in (0, -9)
        if not out.exists():
            assert ended(forked(lambda out=out: run(out))) == 0
        assert out.read_bytes() == expected
    run(tmp_path / "last.safetensors")
    assert not [p for p in tmp_path.iterdir() if p.name.startswith(".")], "an unfinished merge was left"
