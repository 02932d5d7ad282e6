import itertools

import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import QuadMesh

from nbmerge.plots import heatmap, new_axes, to_png
from tests.costs import rest_is_slow


def grid(layers: int = 4) -> pd.DataFrame:
    values = np.linspace(0.1, 0.3, 3 * layers).reshape(layers, 3)
    return pd.DataFrame(values, columns=["attention", "mlp", "rest"])


def drawn(axes) -> np.ndarray:
    """The numbers behind the coloured cells, one row per kind, then the columns outside the layers."""
    return [m.get_array().filled(np.nan).ravel() for m in axes.collections if isinstance(m, QuadMesh)]


def words(axes) -> list[str]:
    return [t.get_text() for t in axes.texts]


def test_layers_run_to_the_right_and_kinds_down():
    axes = heatmap(grid(), parent="poet")
    assert [t.get_text() for t in axes.get_yticklabels()] == ["attention", "mlp", "rest"]
    assert axes.get_ylim() == (2.5, -0.5)
    assert axes.get_xlim() == (-0.5, 3.5)
    assert np.array_equal(drawn(axes), grid().to_numpy().T)
    assert axes.get_title(loc="left") == "distance from poet"
    assert axes.get_xlabel() == "layer"
    assert axes.child_axes[0].get_title(loc="left") == "% of norm"


def test_it_draws_into_the_axes_it_is_given_and_leaves_their_size():
    axes = new_axes(500, 160)
    before = axes.get_position().bounds
    assert heatmap(grid(), axes) is axes
    assert axes.get_position().bounds == before


def test_numbers_stand_in_cells_with_room():
    assert words(heatmap(grid())) == ["10", "15", "21", "26", "12", "17", "23", "28", "14", "19", "25", "30"]
    upright = heatmap(1 - grid(30), new_axes(640, 220), what="cosine")
    assert {t.get_rotation() for t in upright.texts} == {90}
    assert words(heatmap(grid(120), new_axes(420, 160))) == []


def test_missing_cells_stay_blank():
    values = grid()
    values.iloc[1] = np.nan
    values.iloc[2, 0] = np.inf
    axes = heatmap(values)
    assert np.isnan(np.array(drawn(axes))[:, 1]).all()
    assert words(axes).count("") == 3
    assert words(axes)[2] == "∞"
    assert heatmap(values * np.nan).get_title(loc="left") == "distance"


def test_what_lies_outside_the_layers_stands_beside_them():
    outside = pd.Series({"embedding": 0.5, "final norm": np.nan, "head": 0.25})
    axes = heatmap(grid(), outside=outside)
    assert [t.get_text() for t in axes.get_xticklabels()] == ["0", "1", "2", "3", "embed", "norm", "head"]
    embed, norm, head = drawn(axes)[3:]
    assert (embed[0], head[0]) == (0.5, 0.25)
    assert np.isnan(norm[0])
    assert axes.collections[0].norm.vmax == 0.5


def test_more_change_is_brighter_for_both_measures():
    def brightness(axes) -> list[float]:
        mesh = axes.collections[0]
        return [sum(mesh.to_rgba(x)[:3]) for x in mesh.get_array().ravel()]

    far = brightness(heatmap(grid()))
    assert far == sorted(far)
    near = brightness(heatmap(1 - grid(), what="cosine"))
    assert near == sorted(near)


def test_maps_can_share_a_scale():
    norm = heatmap(grid(), limits=(0.0, 2.0)).collections[0].norm
    assert (norm.vmin, norm.vmax) == (0.0, 2.0)


@pytest.mark.parametrize(
    ("layers", "width"),
    rest_is_slow(itertools.product((1, 2, 33, 120), (420, 1000)), [(1, 420), (120, 1000)]),
)
def test_any_depth_can_be_drawn_twice_alike(layers, width):
    axes = heatmap(grid(layers), new_axes(width, 180), parent="A" * 90, outside={"head": 0.2})
    assert (
        to_png(axes)
        == to_png(axes)
        == to_png(heatmap(grid(layers), new_axes(width, 180), parent="A" * 90, outside={"head": 0.2}))
    )


def test_names_are_not_read_as_formulas():
    axes = heatmap(grid(), parent=r"$\frac{$")
    assert to_png(axes).startswith(b"\x89PNG")
    assert "\\$" in axes.get_title(loc="left")


def test_a_model_without_layers_shows_what_it_has():
    empty = pd.DataFrame(index=range(0))
    axes = heatmap(empty, outside={"embedding": 0.1})
    assert to_png(axes)


def test_unknown_measures_are_refused():
    with pytest.raises(KeyError):
        heatmap(grid(), what="angle")
