import numpy as np
import pandas as pd
import pytest

from nbmerge.plots import layer_curves, new_axes, theme, to_png


def curves(layers: int = 6, names=("base", "poet", "coder")) -> pd.DataFrame:
    x = np.linspace(0, 1, layers)
    return pd.DataFrame({name: 0.1 + 0.1 * i * x for i, name in enumerate(names)})


def test_one_line_per_parent_in_percent():
    axes = layer_curves(curves())
    assert len(axes.lines) == 3
    for line, (_, values) in zip(axes.lines, curves().items(), strict=True):
        assert line.get_xdata().tolist() == list(range(6))
        np.testing.assert_allclose(line.get_ydata(), 100 * values)
    assert [t.get_text() for t in axes.get_legend().get_texts()] == ["base", "poet", "coder"]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("layer", "distance, % of norm")
    assert axes.get_ylim()[0] == 0


def test_cosines_are_drawn_as_they_are_up_to_one():
    axes = layer_curves(1 - curves(), what="cosine")
    np.testing.assert_allclose(axes.lines[0].get_ydata(), 0.9)
    assert axes.get_ylabel() == "cosine"
    assert axes.get_ylim()[1] == 1


def test_gaps_where_a_layer_has_another_parent():
    values = curves()
    values.loc[2:3, "poet"] = np.nan
    axes = layer_curves(values)
    assert np.isnan(axes.lines[1].get_ydata()).tolist() == [False, False, True, True, False, False]
    assert to_png(axes)


def test_layers_stand_under_those_of_a_heat_map():
    from nbmerge.plots import heatmap

    outside = curves(2).set_axis(["embedding", "head"])
    lines = layer_curves(curves(), outside=outside)
    cells = heatmap(curves(), outside=outside["base"])
    assert lines.get_xlim() == pytest.approx(cells.get_xlim())
    assert lines.get_position().x0 == pytest.approx(cells.get_position().x0)


def test_points_outside_the_layers():
    outside = pd.DataFrame(
        {"base": [0.5, 0.2], "poet": [0.1, np.nan], "coder": [0.3, 0.3]}, index=["embedding", "head"]
    )
    axes = layer_curves(curves(), outside=outside)
    points = [
        (float(line.get_xdata()[0]), float(line.get_ydata()[0])) for line in axes.lines if len(line.get_xdata()) == 1
    ]
    assert len(points) == 6
    assert {y for x, y in points if x < 0} == {50, 10, 30}
    assert len({x for x, _ in points}) == 6


def test_a_single_layer_shows_as_points_and_many_as_plain_lines():
    assert layer_curves(curves(1)).lines[0].get_marker() == "o"
    assert layer_curves(curves(1)).lines[0].get_markevery() == 1
    assert layer_curves(curves(100)).lines[0].get_markevery() == []


def test_colours_can_be_given_and_else_follow_the_order():
    axes = layer_curves(curves(), colour={"poet": "#123456"})
    assert [line.get_color() for line in axes.lines] == [theme.PALETTE[0], "#123456", theme.PALETTE[2]]


def test_more_parents_than_colours_differ_in_dashes():
    names = [f"model-{i}" for i in range(8)]
    lines = layer_curves(curves(names=names)).lines
    assert lines[0].get_color() == lines[6].get_color()
    assert lines[0].get_linestyle() != lines[6].get_linestyle()


def test_long_names_are_shortened_to_the_width():
    name = "an-organisation-with-a-long-name-and-a-model-with-a-longer-one-v0.3"
    axes = layer_curves(curves(names=(name, "b")), new_axes(420, 240, top=50))
    text = axes.get_legend().get_texts()[0].get_text()
    assert "…" in text
    assert text.endswith("v0.3")


def test_it_draws_into_the_axes_it_is_given():
    axes = new_axes(420, 200)
    assert layer_curves(curves(), axes) is axes


@pytest.mark.parametrize("what", ["distance", "cosine"])
@pytest.mark.parametrize("value", [0.0, 1.0, np.nan])
@pytest.mark.rest_is_slow(keep=2)
def test_flat_and_empty_curves_can_be_drawn(what, value):
    axes = layer_curves(curves() * 0 + value, what=what)
    assert to_png(axes) == to_png(layer_curves(curves() * 0 + value, what=what))
