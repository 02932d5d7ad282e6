"""The compiled loop of `measure_models` gives the numbers that torch gives."""

from __future__ import annotations

import pytest
import torch

from nbmerge import measure_models
from nbmerge.engine.compute.workspace import BLOCK
from nbmerge.kernels import switch
from nbmerge.statistics.tally import FIELDS, Tally
from tests.models import make_family


def models(dtype: torch.dtype, count: int) -> list[torch.Tensor]:
    """A base and two models: unchanged elements, changes of usual size, and changes outside of all bins."""
    g = torch.Generator().manual_seed(count)
    base = 0.02 * torch.randn(count, generator=g)
    one, two = (base + 0.001 * torch.randn(count, generator=g) for _ in range(2))
    base[::7] = one[::7] = 0.0
    one[::14] = torch.randn(len(one[::14]), generator=g) * 2.0**-60  # subnormal in float16
    two[::5], two[3::1000] = base[::5], -3e4
    return [x.to(dtype) for x in (base, one, two)]


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.slow
def test_blocks_of_all_lengths(loops, dtype):
    ours, theirs = Tally(1, 2), Tally(1, 2)
    add = ours.find_loop([str(dtype).removeprefix("torch.")] * 3)
    for count in (BLOCK, 20_001, 2, 1):
        blocks = models(dtype, count)
        add(0, blocks)
        theirs.add(0, torch.stack([b.float() for b in blocks]))
    for name in FIELDS:
        assert getattr(ours, name).tobytes() == getattr(theirs, name).tobytes(), name
    assert ours.histogram[0].sum(1).tolist() == [BLOCK + 20_004] * 2
    assert (ours.histogram[0, :, [0, -1]] > 0).any()


@pytest.mark.slow
def test_float32_is_left_to_torch(loops):
    assert Tally(1, 1).find_loop(["float32", "float32"]) is None
    assert Tally(1, 0).find_loop(["bfloat16"]) is None


def test_models_are_measured_alike(loops, tmp_path, monkeypatch):
    family = make_family(tmp_path, layers=2, hidden=96, intermediate=160, vocab=3000, dtype="bfloat16", tokenizer=False)
    found = []
    for chosen in ("1", "0"):
        monkeypatch.setenv(switch.VARIABLE, chosen)
        tally = measure_models(family.base, family.ft1, family.ft2, cache=False).tally
        found.append([getattr(tally, name).tobytes() for name in FIELDS])
    assert found[0] == found[1]
