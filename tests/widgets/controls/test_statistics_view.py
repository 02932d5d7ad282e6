import numpy as np
import pytest

from nbmerge.statistics import measure_merge
from nbmerge.widgets.controls.statistics_view import picture_data


@pytest.fixture(scope="module")
def moved(deep_family):
    models = [
        {"model": str(m), "parameters": {"weight": w}} for m, w in ((deep_family.ft1, [0, 1]), (deep_family.ft2, 0.3))
    ]
    return measure_merge({"merge_method": "task_arithmetic", "base_model": str(deep_family.base), "models": models})


@pytest.mark.parametrize("what", ["distance", "cosine"])
def test_numbers_are_those_of_the_tables(moved, what):
    view = picture_data(moved, what, "ft1", {"ft1": "#123456"})
    assert np.array_equal(np.frombuffer(view["curves"]).reshape(3, 6), moved.by_layer(what).to_numpy().T)
    assert np.array_equal(np.frombuffer(view["cells"]).reshape(3, 6), moved.grid("ft1", what).to_numpy().T)
    assert view["kinds"] == ["attention", "mlp", "rest"]
    assert [p["name"] for p in view["parents"]] == ["base", "ft1", "ft2"]
    assert view["parents"][1]["colour"] == "#123456"
    low, high = view["range"]
    assert low <= np.nanmin(np.frombuffer(view["curves"]))
    assert high >= np.nanmax(np.frombuffer(view["curves"]))


def test_the_picture_is_told_in_a_sentence(moved):
    words = picture_data(moved, "distance", "base", {})["summary"]
    assert words.startswith("distance, % of norm: from base between ")
    assert words.count(" in layer ") == 6


def test_it_has_the_plots_own_colours(moved):
    colours = picture_data(moved, "distance", "base", {})["colours"]
    assert len(colours) == 3 * 256
    assert colours[:3] == bytes((68, 1, 84))  # viridis begins so
