"""The models: choosing, finding, comparing and refusing them."""

import pytest

from nbmerge.widgets import ModelsPanel
from tests.adapters import Q, make_adapter, modules
from tests.models import make_model
from tests.widgets.browser import act


def rows(panel):
    return {row["name"]: row for row in panel.view.content["detail"]["models"]}


def settle(panel):
    assert panel.form._runner.wait(20)


def test_from_nothing_to_a_recipe(deep_family):
    panel = ModelsPanel()
    for path in (deep_family.base, deep_family.ft1, deep_family.ft2):
        act(panel.view, "add", path=str(path))
    assert panel.state.plan.parents == ("base", "ft1", "ft2")
    assert [r["role"] for r in rows(panel).values()] == ["base", "merged", "merged"]
    act(panel.view, "make_base", path=str(deep_family.ft1))
    assert panel.state.plan.parents[0] == "ft1"
    act(panel.view, "start_over")
    assert rows(panel) == {}


def test_a_model_whose_addition_is_undone_is_gone(state, deep_family, tmp_path):
    panel = ModelsPanel(state=state)
    before = list(rows(panel))
    act(panel.view, "add", path=str(make_model(tmp_path / "ft3", base=deep_family.base, seed=3)))
    assert list(rows(panel)) == [*before, "ft3"]
    state.undo()
    assert list(rows(panel)) == before
    state.redo()
    assert list(rows(panel)) == [*before, "ft3"]


def test_a_misfit_is_named_in_its_row_with_the_reason(state, tmp_path):
    panel = ModelsPanel(state=state)
    short = make_model(tmp_path / "short", layers=2)
    act(panel.view, "add", path=str(short))
    row = rows(panel)["short"]
    assert row["fit"] == "bad"
    assert "has 2 layers, base has 6" in row["reason"]
    assert [r["fit"] for r in rows(panel).values()].count("bad") == 1
    act(panel.view, "remove", path=str(short))
    assert state.plan is not None


def test_a_padded_vocabulary_is_one_verdict_everywhere(state, tmp_path):
    panel = ModelsPanel(state=state)
    act(panel.view, "add", path=str(make_model(tmp_path / "padded", layers=6, vocab=40)))
    assert state.plan is not None
    assert rows(panel)["padded"]["fit"] == "warning"
    assert [g.severity for g in state.groups] == ["warning"]


def test_an_adapter_that_was_found_is_added_to_the_base(tmp_path):
    panel = ModelsPanel()
    base = make_model(tmp_path / "models" / "base", layers=2)
    make_adapter(tmp_path / "models" / "french", base, modules(Q, layers=2))
    act(panel.view, "scan", folder=str(tmp_path / "models"))
    settle(panel)
    assert [o["canAdd"] for o in panel.view.content["detail"]["scan"]["models"]] == [True, False]
    act(panel.view, "add", path=str(base))
    offer = panel.view.content["detail"]["scan"]["models"][1]
    assert (offer["kind"], offer["detail"], offer["canAdd"]) == ("adapter", "base with this adapter", True)
    act(panel.view, "add", path=offer["path"])
    assert panel.state.plan.parents == ("base", "base+french")
    assert panel.view.content["detail"]["scan"]["models"][1]["chosen"]


@pytest.mark.slow
def test_a_folder_is_searched_and_its_models_are_offered(tmp_path):
    panel = ModelsPanel()
    make_model(tmp_path / "models" / "one", layers=1)
    (tmp_path / "models" / "<b>").mkdir()
    (tmp_path / "models" / "<b>" / "config.json").write_text("{")
    act(panel.view, "scan", folder=str(tmp_path / "models"))
    settle(panel)
    offers = panel.view.content["detail"]["scan"]["models"]
    assert [(o["name"], o["kind"]) for o in offers] == [("one", "model"), ("<b>", "unusable")]
    act(panel.view, "scan", folder=str(tmp_path / "models" / "one"))  # a model itself is added
    assert list(rows(panel)) == ["one"]


@pytest.mark.parametrize(
    ("action", "arguments", "words"),
    [("add", {"path": "/no/such"}, "neither a local folder"), ("scan", {"folder": "/no/such"}, "is not a folder")],
)
def test_the_form_refuses_invalid_models_until_they_are_valid(state, deep_family, action, arguments, words):
    panel = ModelsPanel(state=state)
    act(panel.view, action, **arguments)
    settle(panel)
    assert words in panel.errors.value
    assert panel.view.content["detail"]["busy"] == ""
    act(panel.view, "make_base", path=str(deep_family.ft1))
    assert panel.errors.value == ""  # a message ends with its cause


def test_slerp_is_swapped_and_reports_what_it_leaves_out(state):
    panel = ModelsPanel(state=state)
    state.use_method("slerp")
    detail = panel.view.content["detail"]
    assert detail["swap"]
    assert "does not use base" in detail["hint"]
    assert rows(panel)["base"]["role"] == "base"
    act(panel.view, "swap")
    assert [s.model.name for s in state.recipe.models] == ["ft2", "ft1"]
