"""The formulas of a layer: in numbers, as the plan has them, whatever the method."""

import pytest

from tests.widgets.browser import act


def read(tracks, column):
    """What a browser is answered."""
    sent = []
    tracks.view.send = sent.append
    act(tracks.view, "formula.read", column=column)
    (answer,) = sent
    return answer["answer"]["formulas"]


def test_a_layer_with_one_formula(tracks):
    assert read(tracks, 3) == ["W = base + 0.4·(ft1 − base) + 0.3·(ft2 − base)"]


def test_parts_of_a_layer_with_formulas_of_their_own(tracks):
    act(tracks.view, "curve.choose", parameter=None, model=None, part="mlp")
    act(tracks.view, "curve.set_values", values=[[3, 0.9]], gesture=1)
    formulas = read(tracks, 3)
    assert "MLP: W = base + 0.9·(ft1 − base) + 0.3·(ft2 − base)" in formulas
    assert "norms, attention: W = base + 0.4·(ft1 − base) + 0.3·(ft2 − base)" in formulas


@pytest.mark.parametrize("method", ["ties", "slerp", "dare_ties"])
def test_methods_that_are_no_sums(tracks, method):
    tracks.state.use_method(method)
    (formula,) = read(tracks, 3)
    assert "ft1" in formula
    assert any(number in formula for number in ("0.4", "0.5"))


def test_the_list_of_a_layers_tensors_is_opened(tracks):
    opened = []
    tracks.connect(opened.append)
    assert tracks.view.content["rows"]["formula"] == {"canOpen": True}
    act(tracks.view, "formula.open", column=3)
    act(tracks.view, "formula.open", column=0)
    assert opened == ["model.layers.2.", "model.embed_tokens.weight"]
