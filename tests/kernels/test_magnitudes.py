"""Compiled loops answer what searches for thresholds ask as numpy does."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from nbmerge.methods.numerics import selection


@pytest.mark.parametrize("most_held", [selection.MOST_HELD, 100])
@pytest.mark.slow
def test_intervals_without_frequent_values(loops, monkeypatch, most_held):
    from nbmerge.kernels.magnitudes import survey

    monkeypatch.setattr(selection, "MOST_HELD", most_held)
    base, own = (torch.randn(10_001, generator=torch.Generator().manual_seed(s)).bfloat16() for s in (0, 1))
    magnitudes = (own.float() - base.float()).abs().numpy()
    values, counts = np.unique(magnitudes, return_counts=True)
    frequent = values[np.argsort(counts)[-5:]].tolist()
    found, expected = (selection.Collection(min(frequent), 2.0, frequent) for _ in range(2))
    for start in range(0, base.numel(), 5000):
        piece = slice(start, start + 5000)
        survey(found, start, base[piece], own[piece])
        expected.measure(start, magnitudes[piece])
    assert (found.above, found.held) == (expected.above, expected.held)
    assert found.held > 100
    for (one, ours), (other, theirs) in zip(found.inside, expected.inside, strict=True):
        assert one == other
        assert np.array_equal(ours, theirs)
    for ours, theirs in zip(found.frequent.counted, expected.frequent.counted, strict=True):
        assert vars(ours) == vars(theirs)
        assert ours.equal > 0
