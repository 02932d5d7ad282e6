import pytest

from nbmerge.plots.curve import Line, curve, curve_axes
from nbmerge.plots.theme import to_png

SLOTS = ["embed", *map(str, range(6)), "norm", "head"]
VALUES = (0.1, 0.0, 0.2, 0.4, 0.6, 0.8, 1.0, 0.9, 0.7)


def test_what_is_drawn_is_what_was_given():
    axes = curve([Line(VALUES, "weight of a")], SLOTS)
    line, points, outside = axes.lines[-3:]
    assert list(line.get_ydata()) == list(VALUES[1:7])
    assert list(points.get_ydata()) == list(VALUES[1:7])
    assert list(outside.get_xdata()) == [0, 7, 8]


def test_slots_divide_the_width_equally():
    axes = curve([Line(VALUES)], SLOTS, curve_axes(800, 240))
    assert axes.get_xlim() == (-0.5, 8.5)


def test_values_at_the_limits_are_inside_the_picture():
    axes = curve([Line(VALUES)], SLOTS, span=(-0.5, 1.5))
    low, high = axes.get_ylim()
    assert low < -0.5
    assert high > 1.5


@pytest.mark.parametrize("depth", [1, 8, 32, 80])
def test_names_never_stand_on_each_other(depth):
    slots = [str(i) for i in range(depth)]
    axes = curve([Line((0.5,) * depth)], slots, curve_axes(640, 240))
    width = 640 / depth
    shown = axes.get_xticks()
    assert len(shown) == 1 or (shown[1] - shown[0]) * width >= 18


def test_a_spread_is_a_band():
    spread = tuple((v - 0.1, v + 0.1) for v in VALUES)
    assert len(curve([Line(VALUES, spread=spread)], SLOTS).collections) == 1
    assert len(curve([Line(VALUES, spread=tuple((v, v) for v in VALUES))], SLOTS).collections) == 0


def test_movable_points_are_left_to_whoever_lays_them_over_it():
    with_points = curve([Line(VALUES)], SLOTS)
    without = curve([Line(VALUES)], SLOTS, points=False, names=False)
    assert len(without.lines) == len(with_points.lines) - 2
    assert [t.get_text() for t in without.get_xticklabels()] == []


def test_names_are_text_and_never_formulas():
    axes = curve([Line(VALUES, "$x$")], SLOTS, ends=("nothing of $\\frac$", "all of $x^{$"))
    assert to_png(axes).startswith(b"\x89PNG")
