"""The Tensors and Python panels without a browser."""

import pytest

from nbmerge.widgets import PythonPanel, TensorsPanel
from nbmerge.widgets.panels import tensors as module
from tests.widgets.browser import act

UP = "model.layers.2.mlp.up_proj.weight"


@pytest.fixture
def panel(state):
    return TensorsPanel(state=state)


def names(panel):
    return [row["name"] for row in panel.view.content["rows"]]


def test_every_tensor_has_its_formula(panel, state):
    assert names(panel) == [t.name for t in state.plan.tensors][: module.PAGE]
    act(panel.view, "set_filter", filter="UP_proj 2")
    (row,) = panel.view.content["rows"]
    assert row["name"] == UP
    assert row["formula"] == state.plan.formula(UP).text
    assert " × " in row["shape"]
    state.edit(lambda r: r.with_parameter("weight", 0.25, "ft2"))
    assert "0.25·(ft2 − base)" in panel.view.content["rows"][0]["formula"]


def test_one_tensor_in_full(panel, state):
    act(panel.view, "choose", tensor=UP)
    detail = panel.view.content["chosen"]
    assert detail["parameters"] == ["weight"]
    assert [(i["model"], i["tensor"], i["values"]) for i in detail["inputs"]] == [
        ("base", UP, ["–"]), ("ft1", UP, ["0.4"]), ("ft2", UP, ["0.3"]),
    ]  # fmt: skip
    assert detail["mathml"][0] == "math"
    assert ["weight[ft2]", "models[1].parameters.weight"] in detail["decided"]
    act(panel.view, "choose", tensor=UP)
    assert panel.view.content["chosen"] is None
    act(panel.view, "choose", tensor="gone")
    assert panel.view.content["chosen"] is None


def test_a_large_model_is_shown_in_pages(panel, state, monkeypatch):
    monkeypatch.setattr(module, "PAGE", 5)
    act(panel.view, "set_filter", filter="")
    assert len(names(panel)) == 5
    assert panel.view.content["matching"] == panel.view.content["total"] == len(state.plan.tensors)
    act(panel.view, "show_more")
    assert len(names(panel)) == 10


def test_without_models_it_explains_the_next_step():
    panel = TensorsPanel()
    assert panel.view.content["reason"] == "Choose models to see their layers."
    assert panel.view.content["rows"] == []
    assert PythonPanel().view.content["code"] == ""


def test_the_code_is_that_of_the_recipe_on_screen(state):
    panel = PythonPanel(state=state)
    state.edit(lambda r: r.with_parameter("lambda", 0.5))
    assert "lambda: 0.5" in panel.code
    names = {}
    exec(panel.view.content["code"].replace("nbm.merge(", "print("), names)
    assert names["recipe"] == state.recipe
