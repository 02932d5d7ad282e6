"""The picture of a method: every method has one, and its numbers are those that the method computes."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import nbmerge as nbm
from nbmerge.errors import ArgumentError
from nbmerge.plots.method_effect import SHAPE, SHOWN, compute_effect, example_parameters


@pytest.mark.parametrize("method", sorted(nbm.methods.methods()))
@pytest.mark.rest_is_slow(keep=4)
def test_every_method_has_a_picture(method):
    figure = nbm.plots.plot_method(method)
    numbers, *points = figure.axes
    effect = compute_effect(method, example_parameters(method))
    assert len(points) == len(effect.models)
    assert len(numbers.texts) == (len(effect.models) + 1) * SHOWN
    for axes in points:
        assert sum(len(c.get_offsets()) for c in axes.collections) == SHAPE[0] * SHAPE[1]
    assert np.isfinite(effect.merged).all()
    assert effect.merged.any()


def test_its_numbers_are_those_of_the_method():
    effect = compute_effect("ties", {"weight": 1, "density": 0.25})
    base = torch.zeros(SHAPE)
    tensors = [torch.from_numpy(m).view(SHAPE) for m in effect.models]
    merged = nbm.merge_tensors("ties", tensors, base=base, parameters={"weight": 1, "density": 0.25})
    assert np.allclose(effect.merged, merged.flatten().numpy(), atol=1e-5)
    assert 0.25 < (effect.merged != 0).mean() < 0.5


def test_another_seed_gives_other_numbers():
    first, second = (compute_effect("linear", {"weight": 0.5}, seed) for seed in (0, 1))
    assert not np.array_equal(first.merged, second.merged)


def test_unknown_methods_and_parameters_are_refused():
    with pytest.raises(ArgumentError, match="Did you mean 'ties'"):
        nbm.plots.plot_method("tie")
    with pytest.raises(ArgumentError, match="no parameter 'densty'"):
        nbm.plots.plot_method("ties", {"densty": 0.5})
