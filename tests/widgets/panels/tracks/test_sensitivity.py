"""The triangles beside the curve: derivatives for the parameter, the model and the part of the layers on screen."""

import pytest

import nbmerge as nbm
from tests.widgets.browser import act
from tests.widgets.panels.tracks.test_ablation import PROMPTS


def row(panel):
    return panel.view.content["rows"]["sensitivity"]


@pytest.fixture
def computed(tracks):
    tracks.state.prompts = PROMPTS
    act(tracks.view, "sensitivity.compute")
    assert tracks.state.job.wait(60)
    assert tracks.errors.value == ""
    return tracks


def test_slopes_are_those_of_the_curve_on_screen(computed):
    table = nbm.sensitivity(computed.recipe, PROMPTS.split("\n"), progress=False).table
    act(computed.view, "curve.choose", parameter=None, model=str(computed.recipe.models[1].model), part="mlp")
    own = table[(table["model"] == "ft2") & (table["kind"] == "mlp")].set_index("layer")["derivative"]
    slopes = {c["layer"]: d for c, d in zip(computed.view.content["columns"], row(computed)["slopes"], strict=True)}
    assert [slopes[i] for i in range(6)] == pytest.approx(own.tolist(), rel=1e-2)
    assert not row(computed)["stale"]
    act(computed.view, "curve.set_values", values=[[3, 0.99]], gesture=1)
    assert row(computed)["stale"]
    assert row(computed)["ready"]


def test_what_is_not_a_weighted_sum_says_so(computed):
    computed.state.use_method("ties")
    assert "not a weighted sum" in row(computed)["note"]
    assert not row(computed)["ready"]
    assert "slopes" not in row(computed)
