"""The method: a control for every parameter, with the method's own limits."""

import pytest

from nbmerge.methods import methods
from nbmerge.widgets import MethodPanel
from nbmerge.widgets.controls.formula import typeset
from tests.widgets.browser import act


def control(panel, label):
    return next(p for p in panel.view.content["detail"]["parameters"] if p["label"] == label)


def put(panel, label, value):
    act(panel.view, "set_parameter", key=control(panel, label)["key"], value=value)


def test_choosing_a_method_keeps_the_models(state):
    panel = MethodPanel(state=state)
    act(panel.view, "choose_method", name="slerp")
    assert state.plan.method.name == "slerp"
    detail = panel.view.content["detail"]
    assert "arc between them" in detail["words"]
    assert detail["link"].startswith("https://doi.org/")
    act(panel.view, "choose_method", name="nothing")
    assert "unknown merge method" in panel.errors.value


def test_numbers_flags_and_words(state):
    panel = MethodPanel(state=state)
    assert control(panel, "weight of ft1")["value"] is None  # differs between layers
    put(panel, "lambda", 1.7)
    put(panel, "normalize", True)
    put(panel, "weight of ft2", 0.45)
    assert state.plan.tensors[0].values["lambda"] == 1.7
    assert state.plan.tensors[0].values["normalize"] is True
    assert state.recipe.models[1].parameters["weight"].plain() == 0.45
    act(panel.view, "choose_method", name="dare_ties")
    put(panel, "rescale", "l1")
    assert state.plan.tensors[0].values["rescale"] == "l1"
    put(panel, "rescale", "false")
    assert state.plan.tensors[0].values["rescale"] is False


def test_what_the_method_refuses_does_not_get_into_the_recipe(state):
    panel = MethodPanel(state=state)
    act(panel.view, "choose_method", name="ties")
    put(panel, "density of ft1", 7)
    assert "out of range: 0 to 1" in panel.errors.value
    assert state.plan is not None


def test_the_seed_of_masks_is_a_control_where_there_are_masks(state):
    panel = MethodPanel(state=state)
    assert panel.view.content["detail"]["seed"] is None
    act(panel.view, "choose_method", name="della")
    act(panel.view, "set_seed", value=7)
    assert panel.view.content["detail"]["seed"] == 7
    assert state.recipe.random_seed == 7


@pytest.mark.parametrize("method", list(methods()))
def test_every_formula_is_typeset(method):
    tag, _, children = typeset(methods()[method].formula)
    assert tag == "math"
    assert "\\" not in str(children).replace("\\xa0", "")


def test_an_invalid_formula_is_shown_as_text():
    assert typeset(r"\frac{") is None
