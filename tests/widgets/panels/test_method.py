"""The method panel: a control for every parameter, with the method's own limits."""

from nbmerge.widgets import MethodPanel
from tests.widgets.browser import move


def test_choosing_a_method_keeps_the_models(state):
    panel = MethodPanel(state=state)
    panel.method.value = "slerp"
    assert state.plan.method.name == "slerp"
    assert "arc between them" in panel.words.value
    assert "<a href='https://doi.org/" in panel.reference.value


def test_shared_and_flat_numbers_have_a_control(state):
    panel = MethodPanel(state=state)
    panel._shared["lambda"].box.value = 1.7
    assert state.plan.tensors[0].values["lambda"] == 1.7
    panel._shared["normalize"].box.value = True
    assert state.plan.tensors[0].values["normalize"] is True
    flat = panel._own["weight", str(state.recipe.models[1].model)]
    move(flat.slider, value=0.45)
    assert state.recipe.models[1].parameters["weight"].plain() == 0.45


def test_words_are_a_list(state):
    panel = MethodPanel(state=state)
    panel.method.value = "dare_ties"
    control = panel._shared["rescale"]
    control.box.index = 2
    assert state.plan.tensors[0].values["rescale"] == "l1"
    control.box.index = 1
    assert state.plan.tensors[0].values["rescale"] is False


def test_a_control_refuses_what_the_method_refuses(state):
    panel = MethodPanel(state=state)
    panel.method.value = "ties"
    control = panel._own["density", str(state.recipe.models[0].model)]
    control.box.value = 7
    assert "out of range: 0 to 1" in panel.errors.value
    assert state.plan is not None
