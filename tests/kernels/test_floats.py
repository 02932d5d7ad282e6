"""Widening and rounding, for every number of 16 bits and many of 32."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from nbmerge.kernels.operands import STORED


def convert(loops, values: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """Numbers in another dtype, by a sum of one term."""
    names = [str(t).removeprefix("torch.") for t in (values.dtype, dtype)]
    result = torch.empty(values.numel(), dtype=dtype)
    loops.fuse_sum([1.0], False, names[:1], names[1])([values], 0, result)
    return result


@pytest.mark.parametrize("name", ["bfloat16", "float16"])
@pytest.mark.slow
def test_every_short_number_is_widened_exactly(loops, name):
    values = torch.arange(-(2**15), 2**15, dtype=torch.int32).to(torch.int16).view(getattr(torch, name))
    values = values[values.isfinite()]
    assert torch.equal(convert(loops, values, torch.float32).view(torch.int32), values.float().view(torch.int32))


@pytest.mark.parametrize("name", STORED)
@pytest.mark.slow
def test_rounding_is_that_of_torch(loops, name):
    bits = np.random.default_rng(0).integers(0, 1 << 32, 1 << 20, dtype=np.uint32)
    bits[: 1 << 16] = np.arange(1 << 16) << 16 | 0x8000  # ties of bfloat16
    bits[1 << 16 : 1 << 17] = 0x33000000 + (np.arange(1 << 16) << 12)  # and of float16, subnormals included
    values = torch.from_numpy(bits.view(np.float32))
    values, dtype = values[values.isfinite()], getattr(torch, name)
    bits_of = torch.int32 if name == "float32" else torch.int16
    assert torch.equal(convert(loops, values, dtype).view(bits_of), values.to(dtype).view(bits_of))
