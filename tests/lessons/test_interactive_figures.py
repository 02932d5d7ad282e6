"""Interactive figures: their numbers are those of the methods, they follow their controls, and they can be seen without a kernel."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

import nbmerge as nbm
from nbmerge import lessons
from nbmerge.errors import ArgumentError
from nbmerge.lessons.interpolation import interpolate_tensors
from nbmerge.lessons.microscope import EXAMPLE
from nbmerge.lessons.seeds import merge_with_seeds
from nbmerge.lessons.triangle import measure_triangle
from tests.models import make_family


@pytest.fixture(scope="module")
def statistics(tmp_path_factory):
    family = make_family(tmp_path_factory.mktemp("family"), layers=3)
    return nbm.measure_models(family.base, family.ft1, family.ft2)


@pytest.mark.slow
def test_a_picture_and_its_words_follow_the_controls():
    moved = lessons.Interpolation()
    before = moved.picture.value
    moved.set(t=0.25, angle=60)
    assert moved.picture.value != before
    assert "At t = 0.25" in moved.status.value
    html = moved._repr_mimebundle_()["text/html"]
    assert "At t = 0.25" in html
    assert 'src="data:image/png;base64,' in html
    moved.close()


@pytest.mark.slow
def test_several_controls_are_drawn_once():
    drawn = []
    moved = lessons.Interpolation()
    draw = moved.draw
    moved.draw = lambda **values: drawn.append(values) or draw(**values)
    moved.set(t=0.1, angle=45, ratio=0.5)
    assert drawn == [{"t": 0.1, "angle": 45.0, "ratio": 0.5}]
    moved.close()


@pytest.mark.parametrize("t", [0.0, 0.3, 1.0])
def test_paths_are_those_of_the_formulas(t):
    first, second = torch.tensor([1.0, 0.0]), torch.tensor([0.0, 2.0])
    assert interpolate_tensors("linear", first, second, t).tolist() == pytest.approx([1 - t, 2 * t], abs=1e-6)
    arc = [math.cos(t * math.pi / 2), 2 * math.sin(t * math.pi / 2)]
    assert interpolate_tensors("slerp", first, second, t).tolist() == pytest.approx(arc, abs=1e-6)


def test_the_microscope_takes_its_steps():
    microscope = lessons.Microscope("ties")
    microscope.set(density=0.25, step=2)
    assert microscope.description.startswith("Step 2 of 4. Trim")
    numbers = [[t.get_text() for t in axes.texts] for axes in microscope.figure.axes]
    assert [len(row) for row in numbers] == [24, 24, 12, 12]
    kept = [float(text.replace("−", "-")) for text in numbers[1] if text != "0"]
    assert sorted(kept) == sorted(v for row in EXAMPLE for v in sorted(row, key=abs)[-3:])
    opacity = [axes.texts[0].get_alpha() for axes in microscope.figure.axes]
    assert opacity[0] == opacity[1] == 1.0
    assert opacity[2] == opacity[3] < 1.0
    microscope.close()


def test_the_microscope_shows_methods_with_steps_only():
    with pytest.raises(ArgumentError, match="ties, dare_linear"):
        lessons.Microscope("slerp")


@pytest.mark.slow
def test_the_mean_of_many_seeds_is_what_nothing_dropped_gives():
    changes = [torch.tensor(row) for row in EXAMPLE]
    merged = merge_with_seeds("dare_linear", changes, 0.5, 400)
    error = 4 * merged.std(axis=0) / math.sqrt(400)
    assert (np.abs(merged.mean(axis=0) - sum(changes).numpy()) <= error + 1e-6).all()
    halves = merge_with_seeds("dare_linear", changes, 0.5, 400, rescale=False)
    assert np.allclose(2 * halves, merged, atol=1e-5)


def test_seeds_matter_to_random_methods_only():
    with pytest.raises(ArgumentError, match="dare_linear"):
        merge_with_seeds("ties", [torch.ones(3)], 0.5, 3)


@pytest.mark.parametrize("layer", [None, 1])
def test_a_triangle_is_that_of_the_weights(statistics, layer):
    first, second, angle = measure_triangle(statistics, layer)
    base, *others = (nbm.sampling.load(path).model.state_dict() for (path,) in statistics.paths)
    names = [n for n in statistics.names if layer is None or f"layers.{layer}." in n]
    one, two = (torch.cat([(other[n] - base[n]).double().flatten() for n in names]) for other in others)
    assert first == pytest.approx(one.norm().item(), rel=1e-5)
    assert second == pytest.approx(two.norm().item(), rel=1e-5)
    cosine = (one @ two / one.norm() / two.norm()).item()
    assert math.cos(math.radians(angle)) == pytest.approx(cosine, abs=1e-5)


def test_a_triangle_has_its_layers(statistics):
    triangle = lessons.Triangle(statistics)
    menu = triangle.controls["layer"]
    assert [label for label, _ in menu.options] == ["the whole model", "layer 0", "layer 1", "layer 2"]
    assert (menu.index, menu.label) == (0, "the whole model")
    triangle.set(layer=2)
    assert "in layer 2" in triangle.description
    triangle.close()
    with pytest.raises(ArgumentError, match="layers 0 to 2"):
        measure_triangle(statistics, 7)


def test_a_triangle_needs_two_models(tmp_path):
    family = make_family(tmp_path, layers=1)
    with pytest.raises(ArgumentError, match="two others"):
        measure_triangle(nbm.measure_models(family.base, family.ft1))
