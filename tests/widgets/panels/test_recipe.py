"""The recipe panel: text, sliders and Python say the same."""

import pytest

from nbmerge.recipe import Recipe
from nbmerge.widgets import RecipePanel, TracksPanel
from tests.widgets.browser import act


def test_the_text_follows_the_sliders(state):
    panel, tracks = RecipePanel(state=state), TracksPanel(state=state)
    act(tracks.view, "curve.set_values", values=[[3, 0.77]], gesture=1)
    assert "0.77" in panel.area.value
    assert not panel.edited


def test_the_sliders_follow_the_text(state):
    panel, tracks = RecipePanel(state=state), TracksPanel(state=state)
    panel.area.value = panel.area.value.replace("[0, 0.5, 1]", "[1, 0.5, 0]").replace("value: 1\n", "value: 0\n")
    assert panel.edited
    panel.apply.click()
    assert not panel.edited
    assert tracks.view.content["rows"]["curve"]["chosen"]["values"][1:7] == pytest.approx([1, 0.8, 0.6, 0.4, 0.2, 0])


def test_a_bad_text_is_quoted_at_its_line(state):
    panel = RecipePanel(state=state)
    panel.area.value = "merge_method: slerp\nmodelz: <b>\n"
    panel.apply.click()
    assert "line 2: modelz: &lt;b&gt;" in panel.problems.value
    assert panel.edited
    panel.revert.click()
    assert panel.area.value == state.text
    assert panel.problems.value == ""


def test_what_is_being_typed_is_never_overwritten(state):
    panel = RecipePanel(state=state)
    panel.area.value += "# unfinished"
    state.edit(lambda r: r.with_parameter("lambda", 0.5))
    assert panel.area.value.endswith("# unfinished")
    panel.revert.click()
    assert "lambda: 0.5" in panel.area.value


def test_three_lines_of_python_reproduce_it(state, recipe):
    panel = RecipePanel(state=state)
    names = {}
    exec(
        panel.python.value.replace("import nbmerge as nbm", "").replace("nbm.merge", "#").replace("nbm.", ""),
        {"Recipe": Recipe},
        names,
    )
    assert names["recipe"].to_yaml() == recipe.to_yaml()
