import math

import pytest

from nbmerge.plots import Gradient, Look, gradients, new_axes, to_png
from nbmerge.plots.theme import pixels

VALUES = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
LINE = Gradient(
    "weight of a",
    range(6),
    VALUES,
    spread=[(v, v) for v in VALUES],
    outside={"embedding": 0.1, "final norm": 0.9, "head": 0.7},
    knots=[(0, 0.0), (5, 1.0)],
)


def test_what_is_drawn_is_what_was_given():
    axes = gradients([LINE], depth=6)
    line, rings, *diamonds = axes.lines[-5:]
    assert list(line.get_ydata()) == list(VALUES)
    assert list(rings.get_xdata()) == [0, 5]
    assert [float(d.get_ydata()[0]) for d in diamonds] == [0.1, 0.9, 0.7]
    assert [t.get_text() for t in axes.get_xticklabels()][-3:] == ["embed", "norm", "head"]


def test_a_model_without_a_part_in_a_layer_leaves_a_gap():
    axes = gradients([Gradient("a", range(4), (0.5, math.nan, math.nan, 1.0))], depth=4)
    assert [math.isnan(y) for y in axes.lines[-1].get_ydata()] == [False, True, True, False]
    assert to_png(axes)


def test_lines_at_the_same_values_are_striped():
    axes = gradients([LINE, Gradient("b", LINE.x, LINE.y), Gradient("c", LINE.x, [0.5] * 6)], depth=6)
    styles = {h.get_label(): h for h in axes.get_legend().legend_handles}
    assert [h.get_linestyle() for h in styles.values()] == ["-", "--", "-"]


def test_values_beyond_0_and_1_are_inside_the_picture():
    low, high = gradients([Gradient("a", range(2), (-0.5, 1.5))], depth=2).get_ylim()
    assert low < -0.5
    assert high > 1.5


def test_the_meaning_of_0_and_1_stands_at_0_and_1():
    axes = gradients([Gradient("t", range(2), (0, 1.5))], depth=2, ends=("base", "expert"))
    assert {a.get_text(): a.xy[1] for a in axes.texts} == {"base": 0.0, "expert": 1.0}


def test_a_band_is_drawn_where_values_differ_within_a_layer():
    spread = [(v - 0.1, v + 0.1) for v in VALUES]
    assert len(gradients([Gradient("a", range(6), VALUES, spread=spread)], depth=6).collections) == 1
    assert len(gradients([LINE], depth=6).collections) == 0


@pytest.mark.parametrize("depth", [1, 8, 32, 80])
@pytest.mark.parametrize("font_size", [7, 18])
def test_numbers_of_layers_never_overlap(depth, font_size):
    axes = gradients(
        [Gradient("a", range(depth), [0.5] * depth)], new_axes(640, 240, look=Look(font_size=font_size)), depth=depth
    )
    shown = axes.get_xticks()
    low, high = axes.get_xlim()
    assert len(shown) == 1 or (shown[1] - shown[0]) * pixels(axes)[0] / (high - low) >= 12


def test_names_are_text_and_never_formulas():
    line = Gradient("$x$", range(2), (0, 1))
    assert to_png(gradients([line], depth=2, ends=("nothing of $\\frac$", "all of $x^{$"))).startswith(b"\x89PNG")
