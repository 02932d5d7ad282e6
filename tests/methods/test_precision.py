"""Every method against its formula in float64, and the laws that hold bit for bit."""

import numpy as np
import pytest
import torch

from nbmerge.methods import dare, methods
from tests.methods.merging import merged, same_bytes

SHAPE = (37, 41)
EPS = {torch.float32: 2.0**-23, torch.bfloat16: 2.0**-7, torch.float16: 2.0**-10}
METHODS = ("linear", "slerp", "task_arithmetic", "ties", "dare_linear", "dare_ties", "passthrough")


def drawn(count: int, dtype: torch.dtype, spread: float = 0.1) -> list[torch.Tensor]:
    """A base and models near it."""
    generator = torch.Generator().manual_seed(0)
    base = torch.randn(SHAPE, generator=generator, dtype=torch.float64)
    tensors = [
        base,
        *(base + spread * torch.randn(SHAPE, generator=generator, dtype=torch.float64) for _ in range(count - 1)),
    ]
    return [t.to(dtype) for t in tensors]


# The formulas, written out plainly.


def linear(x, w, normalize=True):
    total = sum(a * t for a, t in zip(w, x, strict=True))
    return total / sum(w) if normalize else total


def slerp(x, t):
    a, b = x
    theta = torch.arccos((a * b).sum() / (a.norm() * b.norm()))
    return (torch.sin((1 - t) * theta) * a + torch.sin(t * theta) * b) / torch.sin(theta)


def task_arithmetic(x, w, lam=1.0):
    return x[0] + lam * sum(a * (t - x[0]) for a, t in zip(w, x[1:], strict=True))


def trimmed(delta, density):
    flat = delta.flatten()
    order = np.argsort(-flat.abs().numpy(), kind="stable")[: int(density * flat.numel())]
    out = torch.zeros_like(flat)
    out[order] = flat[order]
    return out.view_as(delta)


def elected(deltas, w, normalize):
    weighted = torch.stack([a * d for a, d in zip(w, deltas, strict=True)])
    sign = torch.where(weighted.sum(0) >= 0, 1.0, -1.0)
    agrees = (weighted.sign() == sign).double()
    total = (agrees * weighted).sum(0)
    share = (agrees * torch.tensor(w, dtype=torch.float64).view(-1, 1, 1)).sum(0)
    return total / torch.where(share.abs() < 1e-8, 1.0, share) if normalize else total


def ties(x, w, densities):
    return x[0] + elected([trimmed(t - x[0], p) for t, p in zip(x[1:], densities, strict=True)], w, True)


def masks(count: int) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(5)
    return [torch.rand(SHAPE, generator=generator) < 0.5 for _ in range(count)]


def dropped(x, densities):
    return [m * (t - x[0]) / p for t, p, m in zip(x[1:], densities, masks(len(densities)), strict=True)]


@pytest.fixture
def known_masks(monkeypatch):
    flat = [m.flatten().numpy().astype(bool) for m in masks(2)]
    monkeypatch.setattr(dare, "kept", lambda key, start, count, _: flat[int(key.split("/")[1])][start : start + count])


def error_in_ulp(out: torch.Tensor, exact: torch.Tensor, largest: torch.Tensor) -> float:
    """Largest error in units of the last place, at the size of the numbers that were added up."""
    scale = torch.maximum(exact.abs(), largest).log2().floor().exp2() * EPS[out.dtype]
    return ((out.double() - exact).abs() / scale).max().item()


W, V, D = [0.7, -0.4], [0.5**0.5, 2**0.5 - 1], [0.6, 0.3]  # V never cancels by itself, whatever whole numbers it meets


def dare_linear(x):
    return x[0] + sum(a * d for a, d in zip(W, dropped(x, D), strict=True))


CASES = {
    "linear of two": ("linear", 2, {"weight": [0.6, 0.2]}, {}, lambda x: linear(x, [0.6, 0.2])),
    "linear of three": ("linear", 3, {"weight": [0.5, 0.3, 1]}, {}, lambda x: linear(x, [0.5, 0.3, 1])),
    "plain sum": (
        "linear",
        3,
        {"weight": [0.5, -0.3, 1]},
        {"normalize": False},
        lambda x: linear(x, [0.5, -0.3, 1], False),
    ),
    "slerp": ("slerp", 2, {}, {"t": 0.3}, lambda x: slerp(x, 0.3)),
    "task arithmetic": ("task_arithmetic", 3, {"weight": W}, {}, lambda x: task_arithmetic(x, W)),
    "task arithmetic of one": ("task_arithmetic", 2, {"weight": [0.3]}, {}, lambda x: task_arithmetic(x, [0.3])),
    "task arithmetic, scaled": (
        "task_arithmetic",
        3,
        {"weight": W},
        {"lambda": 1.5},
        lambda x: task_arithmetic(x, W, 1.5),
    ),
    "ties": ("ties", 3, {"weight": V, "density": D}, {}, lambda x: ties(x, V, D)),
    "dare": ("dare_linear", 3, {"weight": W, "density": D}, {}, dare_linear),
    "dare ties": ("dare_ties", 3, {"weight": V, "density": D}, {}, lambda x: x[0] + elected(dropped(x, D), V, False)),
    "passthrough": ("passthrough", 1, {"scale": [0.3]}, {}, lambda x: 0.3 * x[0]),
}


@pytest.mark.parametrize("dtype", EPS)
@pytest.mark.parametrize("case", CASES)
@pytest.mark.rest_is_slow(keep=19)
def test_within_two_units_in_the_last_place(tmp_path, known_masks, case, dtype):
    method, count, each, shared, formula = CASES[case]
    tensors = drawn(count, dtype, spread=1.0 if method == "slerp" else 0.1)
    with_base = methods()[method].base == "required"
    inputs, base = (tensors[1:], tensors[0]) if with_base else (tensors, None)
    out = merged(tmp_path, method, inputs, base, each=each, **shared)
    exact = [t.double() for t in tensors]
    terms = exact + [
        (t - exact[0]) / min(D) for t in exact[1:]
    ]  # rescaled task vectors may be larger than what they add to
    largest = torch.stack([t.abs() for t in terms]).amax(0)
    assert out.dtype == dtype
    assert error_in_ulp(out, formula(exact), largest) <= 2


@pytest.mark.parametrize("case", CASES)
def test_float64_stays_float64(tmp_path, known_masks, case):
    method, count, each, shared, formula = CASES[case]
    tensors = drawn(count, torch.float64, spread=1.0 if method == "slerp" else 0.1)
    inputs, base = (tensors[1:], tensors[0]) if methods()[method].base == "required" else (tensors, None)
    out = merged(tmp_path, method, inputs, base, each=each, **shared)
    assert out.dtype == torch.float64
    assert torch.allclose(out, formula(tensors), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("stored", [torch.bfloat16, torch.float16, torch.float32])
@pytest.mark.parametrize("written", [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("key", ["dtype", "out_dtype"])
def test_rounded_once_into_the_dtype_of_the_result(tmp_path, stored, written, key):
    x = drawn(2, stored)
    out = merged(tmp_path, "linear", x, each={"weight": [0.5, 0.5]}, **{key: str(written).removeprefix("torch.")})
    exact = (x[0].double() + x[1].double()) / 2
    assert out.dtype == written
    largest = torch.maximum(x[0].double().abs(), x[1].double().abs())
    assert (
        error_in_ulp(out, exact, largest) <= (0.5 if stored != torch.float32 or written != torch.float32 else 1) + 1e-3
    )


def test_inputs_of_different_dtypes_meet_in_float32(tmp_path):
    x = drawn(2, torch.float32)
    x = [x[0].to(torch.bfloat16), x[1].to(torch.float16)]
    out = merged(tmp_path, "linear", x, each={"weight": [1, 1]})
    assert out.dtype == torch.float32
    assert torch.allclose(out.double(), (x[0].double() + x[1].double()) / 2, rtol=0, atol=1e-6)


# --- laws ---


def alone(method: str, which: int, count: int = 3) -> dict:
    """Parameters that leave one input only."""
    if method == "slerp":
        return {"t": which}
    weights = [float(i == which) for i in range(count)]
    return {"each": {"weight": weights[1:] if methods()[method].base == "required" else weights}}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.float16])
@pytest.mark.parametrize(
    ("method", "which"),
    [
        ("linear", 0),
        ("linear", 2),
        ("slerp", 0),
        ("slerp", 1),
        ("task_arithmetic", 0),
        ("task_arithmetic", 1),
        ("task_arithmetic", 2),
    ],
)
@pytest.mark.parametrize("poison", [False, True])
@pytest.mark.rest_is_slow(keep=23)
def test_one_model_alone_is_that_model_bit_for_bit(tmp_path, dtype, method, which, poison):
    x = drawn(2 if method == "slerp" else 3, dtype)
    x[which].view(-1)[0] = -0.0
    if poison:  # the others hold what must not come through
        x = [t if i == which else torch.full_like(t, float("nan")) for i, t in enumerate(x)]
    inputs, base = (x[1:], x[0]) if methods()[method].base == "required" else (x, None)
    assert same_bytes(merged(tmp_path, method, inputs, base, **alone(method, which)), x[which])


@pytest.mark.parametrize("method", ["ties", "dare_linear", "dare_ties"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_no_weight_at_all_is_the_base_bit_for_bit(tmp_path, method, dtype):
    x = drawn(3, dtype)
    out = merged(tmp_path, method, [x[1], torch.full_like(x[2], float("nan"))], x[0], each={"weight": [0, 0]})
    assert same_bytes(out, x[0])


@pytest.mark.parametrize("method", ["ties", "dare_linear", "dare_ties"])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32])
def test_one_task_vector_whole_is_its_model(tmp_path, method, dtype):
    x = drawn(3, dtype)
    out = merged(tmp_path, method, x[1:], x[0], each={"weight": [1, 0]})
    largest = torch.maximum(x[0].double().abs(), x[1].double().abs())
    assert error_in_ulp(out, x[1].double(), largest) <= 1


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.float16])
@pytest.mark.parametrize(
    ("method", "more"),
    [
        ("linear", {"each": {"weight": [0.3, 0.5, 0.1]}}),
        ("linear", {"each": {"weight": [0.2, 0.9]}}),
        ("linear", {"each": {"weight": [0.8, 0.3]}}),
        ("slerp", {"t": 0.3}),
        ("slerp", {"t": 0.7}),
        ("task_arithmetic", {"each": {"weight": [0.3]}}),
        ("task_arithmetic", {"each": {"weight": [0.3, -0.7, 1.1]}}),
        ("ties", {"each": {"weight": [0.3, 0.5], "density": [0.5, 0.1]}}),
        ("dare_linear", {"each": {"weight": [0.3, 0.5], "density": [0.5, 0.1]}}),
        ("dare_ties", {"each": {"weight": [0.3, 0.5], "density": [0.5, 0.1]}}),
    ],
)
@pytest.mark.rest_is_slow(keep=17)
def test_a_model_with_itself_is_itself_bit_for_bit(tmp_path, dtype, method, more):
    (x,) = drawn(1, dtype)
    x.view(-1)[0] = 0.0  # a negative zero would become this one: equal, though not in its sign bit
    count = len(more["each"]["weight"]) if "each" in more else 2
    base = x if methods()[method].base == "required" else None
    assert same_bytes(merged(tmp_path, method, [x] * count, base, **more), x)


@pytest.mark.parametrize("method", METHODS)
def test_an_empty_tensor(tmp_path, method):
    empty = torch.zeros(0, 4)
    count = {"passthrough": 1}.get(method, 2)
    base = empty if methods()[method].base == "required" else None
    more = {"t": 0.5} if method == "slerp" else {} if method == "passthrough" else {"each": {"weight": [1, 1]}}
    assert merged(tmp_path, method, [empty] * count, base, **more).shape == (0, 4)


@pytest.mark.parametrize("method", METHODS)
def test_a_single_number(tmp_path, method):
    x = [torch.tensor(3.0), torch.tensor(4.0)][: {"passthrough": 1}.get(method, 2)]
    base = torch.tensor(2.0) if methods()[method].base == "required" else None
    more = {"t": 0.5} if method == "slerp" else {} if method == "passthrough" else {"each": {"weight": [1, 0]}}
    out = merged(tmp_path, method, x, base, **more)
    assert out.shape == ()
    assert out.item() == (3.5 if method == "slerp" else 3.0)
