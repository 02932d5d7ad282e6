"""The models panel: choosing, comparing and refusing models."""

from nbmerge.widgets import ModelsPanel
from tests.models import make_model


def test_models_are_compared_and_the_reason_is_named(state, tmp_path):
    short = make_model(tmp_path / "short", layers=2)
    panel = ModelsPanel(state=state)
    panel.from_.value = "a folder"
    panel.folder.value = str(short)
    panel.add.click()
    assert "has 2 layers, base has 6" in panel.table.value
    assert state.plan is None
    panel.chosen.value = str(short)
    panel.remove.click()
    assert "short" not in panel.table.value
    assert state.plan is not None


def test_a_folder_that_is_no_model_is_refused_with_the_reason(state, tmp_path):
    panel = ModelsPanel(state=state)
    panel.from_.value = "a folder"
    panel.folder.value = str(tmp_path)
    panel.add.click()
    assert "is not a model folder" in panel.errors.value
    assert state.plan is not None


def test_from_nothing_to_a_recipe(deep_family):
    panel = ModelsPanel()
    panel.from_.value = "a folder"
    for path in (deep_family.base, deep_family.ft1, deep_family.ft2):
        panel.folder.value = str(path)
        panel.add.click()
    assert panel.state.plan.parents == ("base", "ft1", "ft2")
    panel.chosen.value = str(deep_family.ft1)
    panel.make_base.click()
    assert panel.state.plan.parents[0] == "ft1"


def test_models_that_a_method_leaves_aside_stay_chosen(state):
    panel = ModelsPanel(state=state)
    state.use_method("slerp")
    assert "not used" in panel.table.value
    assert "does not use these models: base" in panel.hint.value
