import numpy as np
import pytest
import torch

from nbmerge.statistics.tally import BINS, EDGES, Tally


def histogram(*deltas: float, dtype=torch.float32) -> np.ndarray:
    tally = Tally(1, 1)
    rows = torch.tensor([[0.0] * len(deltas), deltas], dtype=dtype)
    tally.add(0, rows)
    return tally.histogram[0, 0]


def test_edges_are_two_in_an_octave():
    assert len(EDGES) == BINS - 1
    assert EDGES[0] == 1.5 * 2.0**-40
    assert EDGES[1] == 2.0**-39
    assert EDGES[-1] == 192


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_sizes_fall_between_the_edges(dtype):
    values = [0.0, 1e-20, 3e-13, -1e-6, 0.01, -0.75, 1.0, 1.5, 100.0, 1e9]
    expected = np.bincount(np.searchsorted(EDGES, np.abs(values), side="right"), minlength=BINS)
    assert histogram(*values, dtype=dtype).tolist() == expected.tolist()


def test_blocks_add_up():
    rng = np.random.default_rng(0)
    rows = torch.from_numpy(rng.normal(size=(3, 100)))
    whole, parts = Tally(2, 2), Tally(2, 2)
    whole.add(1, rows.clone())
    parts.add(1, rows[:, :37].clone())
    parts.add(1, rows[:, 37:].clone())
    for field in ("gram", "total", "largest", "same", "opposite", "histogram"):
        np.testing.assert_allclose(getattr(whole, field), getattr(parts, field), rtol=1e-12)
        assert not getattr(whole, field)[0].any()


def test_equal_elements_are_neither_same_nor_opposite():
    tally = Tally(1, 2)
    tally.add(0, torch.tensor([[1.0, 1.0, 1.0, 1.0], [1.0, 2.0, 0.0, 3.0], [1.0, 1.5, 2.0, 1.0]]))
    assert tally.same[0].tolist() == [[3, 1], [1, 2]]
    assert tally.opposite[0].tolist() == [[0, 1], [1, 0]]
