"""Compiled loops give the bytes that torch gives, for all kinds of numbers that a model can hold."""

from __future__ import annotations

from math import prod

import numpy as np
import pytest
import torch

from nbmerge.kernels import switch
from nbmerge.methods.numerics import inner_products
from tests.costs import rest_is_slow
from tests.methods.apply import merged

BITS = {torch.bfloat16: torch.int16, torch.float16: torch.int16, torch.float32: torch.int32}
CASES = {
    "linear": ("linear", 3, {"weight": [0.3, 0.5, 0.9]}),
    "linear, not normalised": ("linear", 3, {"weight": [0.3, -0.5, 0.9], "normalize": False}),
    "linear of two": ("linear", 2, {"weight": [0.7, 0.3]}),
    "linear of two, nearer to the second": ("linear", 2, {"weight": [0.3, 0.7]}),
    "slerp": ("slerp", 2, {"t": 0.3}),
    "task_arithmetic": ("task_arithmetic", 4, {"weight": [0.3, -0.5, 0.4], "lambda": 0.7}),
    "ties": ("ties", 3, {"weight": [0.3, 0.5], "density": [0.5, 0.3], "lambda": 0.9}),
    "ties, a negative weight": ("ties", 3, {"weight": [0.3, -0.3], "density": [0.2, 0.0]}),
    "ties by votes": ("ties", 4, {"weight": [0.3, 0.5, 0.2], "density": [1.0, 0.5, 0.9], "consensus": "count"}),
    "ties, not normalised": ("ties", 6, {"weight": 0.3, "density": 0.7, "normalize": False, "lambda": 1.3}),
    "dare_linear": ("dare_linear", 3, {"weight": [0.3, 0.5], "density": [0.5, 0.3]}),
    "dare_ties": ("dare_ties", 3, {"weight": [0.3, 0.5], "density": [1.0, 0.37], "normalize": True}),
    "dare_ties, nothing of a model": ("dare_ties", 3, {"weight": [0.3, 0.5], "density": [0.5, 0.0], "rescale": "l1"}),
    "breadcrumbs": ("breadcrumbs", 3, {"weight": [0.3, 0.5], "density": 0.5, "gamma": [0.1, 0.0]}),
    "breadcrumbs_ties": ("breadcrumbs_ties", 3, {"weight": [0.3, 0.5], "density": [0.9, 0.4], "gamma": [0.0, 0.3]}),
    "nearswap": ("nearswap", 2, {"t": 0.01}),
    "della": ("della", 4, {"weight": [0.3, 0.5, -0.2], "density": [0.5, 1.0, 0.0], "epsilon": 0.2}),
    "della, few kept": ("della", 3, {"weight": [0.3, 0.5], "density": 0.1, "epsilon": 0.3, "rescale": "l1"}),
    "della_linear": ("della_linear", 3, {"weight": [0.3, 0.5], "density": [0.5, 0.9], "rescale": False}),
    "ram": ("ram", 4, {"epsilon": 0.01}),
    "ramplus_tl": ("ramplus_tl", 3, {"epsilon": 0.01, "r": 0.3}),
    "model_stock by row": ("model_stock", 4, {"filter_wise": True}),
    "nuslerp by row": ("nuslerp", 3, {"weight": [0.3, 0.5], "nuslerp_flatten": False}),
    "nuslerp by row, no base": ("nuslerp", 2, {"weight": [0.3, 0.5], "nuslerp_flatten": False}),
    "sce": ("sce", 4, {"select_topk": 0.3}),
    "sce of two": ("sce", 3, {"select_topk": 0.7}),
    "sce, everything": ("sce", 3, {"select_topk": 1.0}),
    "consensus": ("consensus", 4, {"weight": [0.3, -0.5, 0.9], "lambda": 0.7}),
}
QUICK = {
    ("ties", torch.bfloat16), ("linear of two", torch.float16), ("dare_ties", torch.bfloat16), ("nearswap", torch.bfloat16),
    ("consensus", torch.bfloat16), ("della", torch.bfloat16), ("ramplus_tl", torch.bfloat16), ("sce", torch.bfloat16),
}  # fmt: skip


def numbers(dtype: torch.dtype, count: int, seed: int) -> torch.Tensor:
    """Weights of usual size, few different ones, zeros of both signs, subnormals, and finite numbers of any bits."""
    g, n = torch.Generator().manual_seed(seed), count // 5
    some = torch.randint(0, 4, (n,), generator=g)
    bits = torch.randint(-(2**31), 2**31, (n,), generator=g).to(torch.int32).view(torch.float32)
    if dtype != torch.float32:
        bits = bits.view(torch.int16)[:n].view(dtype).float()
    bits = bits.where(bits.abs() < 2.0**52, bits * 2.0**-76)  # sums of their squares are finite
    pieces = (
        torch.randn(count - 4 * n, generator=g) * 0.02,
        torch.randint(-3, 4, (n,), generator=g) * 0.5,
        torch.tensor([0.0, -0.0, 1.0, -1.0])[some],
        torch.randn(n, generator=g) * (2 * torch.finfo(dtype).tiny),
        bits.nan_to_num(0.0, 0.0, 0.0) / 16,
    )
    return torch.cat(pieces).to(dtype)


def by_both(monkeypatch, case: str, tensors: list[torch.Tensor], **more) -> list[torch.Tensor]:
    """Bits of a merge by torch, and by loops."""
    name, inputs, parameters = CASES[case]
    results = []
    for chosen in "01":
        monkeypatch.setenv(switch.VARIABLE, chosen)
        result = merged(name, tensors, parameters, based=name not in ("linear", "slerp") and inputs > 2, **more)
        results.append(result.view(BITS[result.dtype]))
    return results


def spy_on_blocks(loops, monkeypatch) -> list[bool]:
    """What every call of a loop for a block of the result returns."""
    answers: list[bool] = []

    def watch(find):
        def found(*arguments):
            fused = find(*arguments)
            return fused and (lambda *block: answers.append(fused(*block)) or answers[-1])

        return found

    for name in ("fuse_mix", "fuse_sum", "fuse_interpolation"):
        monkeypatch.setattr(loops, name, watch(getattr(loops, name)))
    return answers


@pytest.mark.parametrize(("case", "dtype"), rest_is_slow([(c, d) for c in CASES for d in BITS], QUICK))
def test_a_loop_gives_the_bytes_of_torch(loops, monkeypatch, case, dtype):
    answers, inputs = spy_on_blocks(loops, monkeypatch), CASES[case][1]
    for shape, blocks in (((1,), 0), ((37,), 1), ((257, 1031), 2)):
        tensors = [numbers(dtype, prod(shape), seed).view(shape) for seed in range(inputs)]
        answers.clear()
        by_torch, by_loop = by_both(monkeypatch, case, tensors)
        assert torch.equal(by_torch, by_loop), shape
        assert answers[:blocks] == [True] * blocks, "not every block was computed by a loop"


@pytest.mark.parametrize("out", [torch.float32, torch.float16])
@pytest.mark.slow
def test_the_result_can_have_another_dtype(loops, monkeypatch, out):
    answers = spy_on_blocks(loops, monkeypatch)
    tensors = [numbers(torch.bfloat16, 999, seed) for seed in range(3)]
    by_torch, by_loop = by_both(monkeypatch, "ties", tensors, out=out)
    assert torch.equal(by_torch, by_loop)
    assert len(answers) == 1


@pytest.mark.parametrize("case", ["ties", "linear of two"])
@pytest.mark.rest_is_slow(keep=1)
def test_what_is_not_finite_is_left_to_torch(loops, monkeypatch, case):
    answers = spy_on_blocks(loops, monkeypatch)
    tensors = [numbers(torch.bfloat16, 999, seed) for seed in range(CASES[case][1])]
    tensors[0][::97], tensors[1][5::101], tensors[1][7::103] = np.nan, np.inf, -np.inf
    by_torch, by_loop = by_both(monkeypatch, case, tensors)
    assert torch.equal(by_torch, by_loop)
    assert answers == [False]


@pytest.mark.slow
def test_a_result_that_overflows_is_left_to_torch(loops, monkeypatch):
    answers = spy_on_blocks(loops, monkeypatch)
    large = torch.full((100,), 6e4, dtype=torch.float16)
    by_torch, by_loop = by_both(monkeypatch, "task_arithmetic", [large, large, -large, large])
    assert torch.equal(by_torch, by_loop)
    assert answers == [False]


@pytest.mark.parametrize("case", ["ties", "linear of two", "breadcrumbs_ties", "sce of two", "slerp"])
@pytest.mark.slow
def test_inputs_can_have_several_dtypes(loops, monkeypatch, case):
    answers = spy_on_blocks(loops, monkeypatch)
    dtypes = (torch.bfloat16, torch.float32, torch.float16)[: CASES[case][1]]
    tensors = [numbers(dtype, 4099, seed) for seed, dtype in enumerate(dtypes)]
    by_torch, by_loop = by_both(monkeypatch, case, tensors)
    assert torch.equal(by_torch, by_loop)
    assert len(answers) == 1


def test_float64_is_left_to_torch(loops, monkeypatch):
    answers = spy_on_blocks(loops, monkeypatch)
    tensors = [numbers(torch.bfloat16, 99, 0), numbers(torch.float32, 99, 1).double(), numbers(torch.bfloat16, 99, 2)]
    by_torch, by_loop = by_both(monkeypatch, "ties", tensors)
    assert torch.equal(by_torch, by_loop)
    assert not answers


@pytest.mark.parametrize("dtypes", [["bfloat16"] * 3, ["float32"] * 2, ["float32", "bfloat16", "float16"]])
@pytest.mark.rest_is_slow(keep=1)
def test_inner_products_are_those_of_torch(loops, dtypes):
    blocks = [numbers(getattr(torch, dtype), 40_001, seed) for seed, dtype in enumerate(dtypes)]
    rows = torch.stack([b.to(torch.float64 if "float32" in dtypes else torch.float32) for b in blocks])
    rows[1:].sub_(rows[:1])
    gram = np.zeros((len(dtypes),) * 2)
    loops.fuse_products(dtypes)(blocks, gram)
    assert np.isfinite(gram).all()
    assert gram.tobytes() == inner_products(rows).numpy().tobytes()
