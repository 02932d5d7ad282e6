"""Scores along paths and over planes, as pictures and as tables in notebooks."""

import math

import pytest

from nbmerge.analysis import PathScores
from nbmerge.plots import to_png


def along(values, lower=True, **more):
    positions = tuple((i / (len(values) - 1),) for i in range(len(values)))
    return PathScores((None,) * len(values), positions, {"<b>$x$": values}, {"<b>$x$": lower}, **more)


def texts(axes):
    return [text.get_text() for text in axes.texts]


def test_ends_and_barrier_are_marked():
    figure = along((1.0, 5.0, 3.0)).plot(theme="dark")
    assert texts(figure.axes[0]) == ["first", "second", "barrier 3"]
    assert "barrier" not in str(texts(along((3.0, 1.0, 3.0)).plot().axes[0]))
    assert to_png(figure)


@pytest.mark.parametrize("values", [(1.0, math.nan, 3.0), (math.nan, 2.0, math.nan), (1.0, 1.0, 1.0)])
def test_missing_and_equal_scores(values):
    assert to_png(along(values, lower=False).plot())


@pytest.mark.slow
def test_a_plane_is_a_heat_map_with_contours():
    axis = [0.0, 0.5, 1.0]
    positions = tuple((x, y) for y in axis for x in axis)
    values = tuple(x + 2 * y for x, y in positions)
    figure = PathScores((None,) * 9, positions, {"s": values}, {"s": True}).plot()
    assert {"first", "second", "third", "best"} <= set(texts(figure.axes[0]))
    edges = {text.get_text(): text.get_window_extent() for text in figure.axes[0].texts}
    assert edges["second"].x1 < figure.axes[0].bbox.x1  # not over the colour bar
    numbers = [text for text in texts(figure.axes[0]) if text[0].isdigit()]
    assert len(numbers) == len(set(numbers)) > 2
    assert figure.axes[0].collections[0].get_array().ravel().tolist() == list(values)
    flat = PathScores((None,) * 9, positions, {"s": (1.0,) * 9}, {"s": True})
    assert to_png(flat.plot())


def test_the_display_is_escaped_and_says_how_it_was_computed():
    html = along((1.0, math.nan), fallback="<i>why</i>", notes=("note <1>",))._repr_html_()
    assert "&lt;b&gt;$x$" in html
    assert "&lt;i&gt;why" in html
    assert "note &lt;1&gt;" in html
    assert "<i>" not in html


@pytest.mark.parametrize(
    ("values", "sides"), [([1.0, 3.0, 2.0], ["top", "top"]), ([3.0, 1.0, 2.0], ["bottom", "bottom"])]
)
def test_the_names_of_the_ends_keep_away_from_the_curve(values, sides):
    (axes,) = along(values).plot().axes
    assert [text.get_va() for text in axes.texts if text.get_text() in ("first", "second")] == sides


def test_axes_say_what_changes_along_them():
    positions = ((0.0, 0.0), (1.0, 0.0), (0.0, 1.0), (1.0, 1.0))
    plane = PathScores(
        (None,) * 4, positions, {"s": (1.0, 2.0, 3.0, 4.0)}, {"s": True}, along=("weight of a 0 → 1", "")
    )
    axes = plane.plot().axes[0]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("x: weight of a 0 → 1", "y: to the third")
    assert [label.get_text() for label in axes.get_xticklabels()] == ["0", "1"]
