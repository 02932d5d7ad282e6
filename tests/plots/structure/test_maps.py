"""Maps of values, matrices and trees show what they are given."""

import numpy as np
import pandas as pd
import pytest

import nbmerge as nbm
from nbmerge.errors import ArgumentError
from nbmerge.plots import similarity_matrix, singular_value_curves, to_png, unchanged_curves
from nbmerge.plots.analysis.effects import effect_map
from nbmerge.plots.structure.conflicts import conflict_limits


def texts(axes):
    return [text.get_text() for text in axes.texts]


def test_values_of_a_plan_by_layer_and_kind(family):
    models = [
        {
            "model": str(family.ft1),
            "parameters": {"weight": [{"filter": "mlp", "value": [0, 0.5, 1]}, {"value": 0.25}]},
        },
        {"model": str(family.ft2), "parameters": {"weight": 0.5}},
    ]
    plan = nbm.plan({"merge_method": "ties", "base_model": str(family.base), "models": models})
    figure = plan.plot(style="map", theme="light")
    shown = {axes.get_title(loc="left"): axes for axes in figure.axes if axes.get_title(loc="left")}
    assert list(shown) == ["weight of ft1", "weight of ft2"]  # densities and lambda do not vary
    attention, mlp, rest = (c.get_array().ravel().tolist() for c in shown["weight of ft1"].collections[:3])
    assert mlp == [0, 0.5, 1]
    assert attention == rest == [0.25] * 3
    assert [
        axes.get_title(loc="left") for axes in plan.plot("lambda", style="map").axes if axes.get_title(loc="left")
    ] == ["lambda"]
    with pytest.raises(ArgumentError, match="no numeric parameter 'alpha'"):
        plan.plot("alpha", style="map")
    with pytest.raises(ArgumentError, match="style must be"):
        plan.plot(style="maps")


def test_a_matrix_names_both_sides_and_leaves_gaps():
    names = ["a$b$", "c"]
    axes = similarity_matrix(pd.DataFrame([[1.0, np.nan], [np.nan, 1.0]], names, names))
    assert texts(axes) == ["1", "1"]
    assert len(similarity_matrix(pd.DataFrame(np.eye(20))).texts) == 0
    assert to_png(axes)


def test_models_keep_their_colours_where_one_is_missing():
    rows = [{"model": m, "number": n, "value": 1 / n} for m in ("a", "c") for n in (1, 2)]
    alone = singular_value_curves(pd.DataFrame(rows))
    among = singular_value_curves(pd.DataFrame(rows), models=["a", "b", "c"])
    assert alone.lines[1].get_color() == among.lines[1].get_color() != among.lines[2].get_color()
    assert [text.get_text() for text in among.get_legend().get_texts()] == ["a", "b", "c"]


def test_the_floor_of_rounding_is_drawn():
    table = pd.DataFrame({"layer": [0, 1], "unchanged[m]": [0.5, np.nan], "floor[m]": [0.25, 0.5]})
    axes = unchanged_curves(table, models=["m"], depth=2)
    dashed = next(line for line in axes.lines if line.get_linestyle() == "--")
    assert dashed.get_ydata().tolist() == [25, 50]


def test_layers_have_the_scale_and_what_is_beyond_it_gives_the_bar_a_point():
    table = pd.DataFrame({"layer": [None, 0, 1], "kind": ["embedding", "mlp", "mlp"], "x": [9.0, 1.0, -2.0]})
    table["layer"] = table["layer"].astype("Int64")
    axes = effect_map(table, value="x", depth=2)
    assert {mesh.get_clim() for mesh in axes.collections} == {(-2.0, 2.0)}
    (bar,) = axes.child_axes
    assert bar._colorbar.extend == "max"
    assert effect_map(table[1:], value="x", depth=2).child_axes[0]._colorbar.extend == "neither"


@pytest.mark.parametrize(("share", "top"), [(0.5, 0.5), (0.9, 1.0)])
def test_models_that_contradict_each_other_are_within_the_scale(share, top):
    assert conflict_limits(np.array([0.1, share, np.nan])) == (0.0, top)
