"""The k largest magnitudes, exactly, whichever way they are found: compared with a plain sort."""

import numpy as np
import pytest
import torch

from nbmerge.methods.numerics import selection


def in_blocks(values: np.ndarray, size: int):
    """`values` as the engine gives them: one block after another, in a buffer that is used again."""

    def blocks():
        buffer = np.empty(size, dtype=values.dtype)
        for start in range(0, values.size, size):
            part = buffer[: min(size, values.size - start)]
            part[:] = np.abs(values[start : start + part.size])
            yield start, part

    return blocks


def kept(values: np.ndarray, k: int, size: int) -> np.ndarray:
    """What remains of `values`, cut block by block."""
    cut = selection.largest(in_blocks(values, size), values.size, k)
    parts = [cut.apply(torch.from_numpy(values[s : s + size].copy()), s) for s in range(0, values.size, size)]
    return torch.cat(parts).numpy()


def by_sorting(values: np.ndarray, k: int) -> np.ndarray:
    """The same by a stable sort: larger magnitudes first, of equal ones the lower index."""
    order = np.argsort(-np.abs(values), kind="stable")[:k]
    out = np.zeros_like(values)
    out[order] = values[order]
    return out


def samples(n: int, dtype) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    normal = rng.standard_normal(n)
    few = np.round(normal)  # many equal values
    sparse = np.where(rng.random(n) < 0.9, 0, normal)
    return {
        "normal": normal.astype(dtype),
        "equal": np.full(n, -0.5, dtype=dtype),
        "few": few.astype(dtype),
        "sparse": sparse.astype(dtype),
        "zeros": np.zeros(n, dtype=dtype),
        "sorted": np.sort(normal).astype(dtype),
        "tiny": (normal * 1e-40).astype(dtype),
        "huge": (normal * 1e30).astype(dtype),
        "periodic": np.tile([1.0, -2.0, 3.0, 4.0], n // 4 + 1)[:n].astype(dtype),
    }


WAYS = {
    "all are candidates": {},
    "a bracket": {"SMALL": 16, "SAMPLE": 128, "MARGIN": 0.05},
    "a bracket that is too narrow": {"SMALL": 16, "SAMPLE": 64, "MARGIN": 0.0},
    "a bracket that catches too much": {"SMALL": 16, "SAMPLE": 64, "MARGIN": 0.2, "MOST_HELD": 10},
}


@pytest.fixture(params=WAYS)
def way(request, monkeypatch):
    """Force each of the ways to find the cut."""
    for name, value in WAYS[request.param].items():
        monkeypatch.setattr(selection, name, value)
    return request.param


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("kind", samples(8, np.float32))
@pytest.mark.rest_is_slow(keep=25)
@pytest.mark.rest_is_slow(keep=10)
def test_exactly_the_largest_are_kept(way, dtype, kind):
    values = samples(1001, dtype)[kind]
    for k in (0, 1, 2, 100, 333, 500, 999, 1000):
        for size in (64, 2000):
            assert np.array_equal(kept(values, k, size), by_sorting(values, k)), (k, size)


@pytest.mark.parametrize("k", [1, 7, 15])
def test_few_elements(way, k):
    values = np.array([3, -1, 4, 1, -5, 9, 2, -6, 5, 3, 5, -8, 9, 7, -9, 3], dtype=np.float32)
    assert np.array_equal(kept(values, k, 8), by_sorting(values, k))


def test_infinities_are_the_largest(way):
    values = np.linspace(-1, 1, 101).astype(np.float32)
    values[[5, 50]] = [np.inf, -np.inf]
    assert np.array_equal(kept(values, 3, 32), by_sorting(values, 3))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_neighbouring_numbers_are_distinguished(way, dtype):
    one = dtype(1)
    values = np.array([np.nextafter(one, dtype(2)), one, np.nextafter(one, dtype(0))] * 50, dtype=dtype)
    for k in (1, 50, 51, 100, 101, 149):
        assert np.array_equal(kept(values, k, 32), by_sorting(values, k))


@pytest.mark.parametrize("n", [2**17 - 1, 2**17 + 1, 400_003])
@pytest.mark.rest_is_slow(keep=1)
def test_large_tensors_with_the_real_limits(n):
    rng = np.random.default_rng(n)
    for values in (rng.standard_normal(n).astype(np.float32), np.round(rng.standard_normal(n) * 50).astype(np.float32)):
        for k in (1, n // 3, n - 1):
            assert np.array_equal(kept(values, k, 1 << 18), by_sorting(values, k))


def test_the_block_size_changes_nothing(way):
    values = samples(3000, np.float32)["few"]
    outs = [kept(values, 777, size) for size in (50, 512, 3000)]
    assert np.array_equal(outs[0], outs[1])
    assert np.array_equal(outs[0], outs[2])


def test_a_spread_sample_does_not_keep_blocks_in_memory():
    block = np.arange(1000, dtype=np.float32)
    found = selection.spread(block, 1000, 1 << 20)
    assert found.base is None
    assert found.tolist() == [float(k) for k in range(1000) if (k + 1000) % 17 == 0]


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_one_pass_finds_frequent_values_and_those_between_them(share):
    rng, n = np.random.default_rng(1), 200_003
    normal = rng.standard_normal(n)
    values = np.where(rng.random(n) < share, np.round(normal * 8) / 8, normal).astype(np.float32)
    blocks, passes = in_blocks(values, 1 << 16), []

    def counted():
        passes.append(1)
        return blocks()

    for k in range(n // 3, n // 2, n // 50):
        passes.clear()
        sample = np.abs(values[rng.integers(0, n, 1 << 16)])
        cut = selection.largest(counted, n, k, lambda sample=sample: sample)
        assert len(passes) == 1
        assert cut.threshold == np.sort(np.abs(values))[n - k]
