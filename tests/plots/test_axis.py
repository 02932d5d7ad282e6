import pytest

from nbmerge.plots import new_axes, theme
from nbmerge.plots.axis import COLUMN, layer_axis


@pytest.mark.parametrize("depth", [1, 2, 8, 32, 120])
def test_layers_have_equal_columns_and_whole_numbers(depth):
    axes = new_axes(420)
    edges = layer_axis(axes, depth, ["head", "embedding", "final norm"])
    assert list(edges) == ["embedding", "final norm", "head"]
    assert edges["embedding"][1] < -0.5
    assert edges["final norm"][0] > depth - 0.5
    low, high = axes.get_xlim()
    assert (low, high) == (edges["embedding"][0], edges["head"][1])
    for left, right in edges.values():
        assert (right - left) * theme.pixels(axes)[0] / (high - low) == pytest.approx(COLUMN)
    labels = [t.get_text() for t in axes.get_xticklabels()]
    assert labels[-3:] == ["embed", "norm", "head"]
    assert labels[0] == "0"
    assert [int(t) for t in labels[:-3]] == axes.get_xticks()[:-3].tolist()


def test_a_model_without_layers_has_an_axis():
    assert layer_axis(new_axes(), 0) == {}
