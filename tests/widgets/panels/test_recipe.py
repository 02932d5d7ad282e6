"""The recipe panel: text and sliders say the same, and a text that is being edited is kept."""

import pytest

from nbmerge.recipe import Recipe
from nbmerge.widgets import RecipePanel, TracksPanel
from nbmerge.widgets.panels.recipe import BEHIND, EDITED, JOINED, REFUSED, check_text
from tests.widgets.browser import act


@pytest.fixture
def panel(state):
    return RecipePanel(state=state)


def text(panel):
    return panel.view.content["text"]


def test_the_text_follows_the_sliders(state, panel):
    tracks = TracksPanel(state=state)
    act(tracks.view, "curve.set_values", values=[[3, 0.77]], gesture=1)
    assert "0.77" in text(panel)
    assert not panel.edited


def test_the_sliders_follow_the_text(state, panel):
    tracks = TracksPanel(state=state)
    changed = text(panel).replace("[0, 0.5, 1]", "[1, 0.5, 0]").replace("value: 1\n", "value: 0\n")
    act(panel.view, "edit", text=changed)
    assert panel.edited
    assert panel.view.content["note"] == EDITED
    act(panel.view, "apply", text=changed)
    assert not panel.edited
    assert tracks.view.content["rows"]["curve"]["chosen"]["values"][1:7] == pytest.approx([1, 0.8, 0.6, 0.4, 0.2, 0])


def test_a_bad_text_is_not_applied_and_every_error_has_its_line(state, panel):
    before = state.recipe
    bad = "merge_method: slurp\nmodelz: <b>\nmodels: [a, b]\ndtype: float7\n"
    act(panel.view, "apply", text=bad)
    assert panel.view.content["note"] == REFUSED
    assert state.recipe is before
    errors = {p["line"]: p["text"] for p in panel.view.content["problems"] if p["severity"] == "error"}
    assert "modelz" in errors[2]
    assert "float7" in errors[4]
    assert text(panel) == bad
    act(panel.view, "revert")
    assert text(panel) == state.text
    assert not panel.view.content["problems"]


def test_a_text_is_checked_while_it_is_typed(state, panel):
    typed = state.text.replace("task_arithmetic", "ties").replace("weight: 0.3", "weihgt: 0.3")
    act(panel.view, "edit", text=typed)
    problem = next(p for p in panel.view.content["problems"] if "weihgt" in p["text"])
    assert "weihgt" in typed.splitlines()[problem["line"] - 1]
    assert state.recipe.merge_method == "task_arithmetic"


def test_models_that_are_half_typed_are_not_looked_for(monkeypatch):
    monkeypatch.setattr("nbmerge.widgets.panels.recipe.examine", lambda recipe: pytest.fail("looked for"))
    assert check_text("merge_method: linear\nmodels: [org/one, org/tw]", frozenset({"org/one"})) == []
    assert check_text("/etc/passwd", frozenset())[0].severity == "error"


def test_what_is_being_typed_is_never_overwritten(state, panel):
    typed = text(panel) + "# unfinished"
    act(panel.view, "edit", text=typed)
    state.edit(lambda r: r.with_parameter("lambda", 0.5))
    assert text(panel) == typed
    assert panel.view.content["note"] == BEHIND
    act(panel.view, "apply", text=typed)
    assert panel.view.content["note"] == JOINED
    assert text(panel).endswith("# unfinished")
    assert "lambda: 0.5" in text(panel)


def test_a_text_of_another_program_becomes_yaml(state, panel, recipe):
    act(panel.view, "apply", text=recipe.to_python())
    assert panel.view.content["note"].startswith("Read from ")
    assert Recipe.load(text(panel)) == recipe


def test_a_text_that_is_edited_while_the_panel_is_out_of_sight_is_shown_when_it_comes_back(state, panel):
    panel.in_view = False
    state.draft.edit("merge_method: ties\n")
    assert text(panel) == state.text
    panel.in_view = True
    assert text(panel) == "merge_method: ties\n"
    assert panel.view.content["edited"]
