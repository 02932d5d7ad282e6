"""The History panel without a browser."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from nbmerge.recipe import Recipe
from nbmerge.sampling import ScoreRecord
from nbmerge.widgets import HistoryPanel
from nbmerge.widgets.controls.colours import model_colours
from nbmerge.widgets.controls.python_code import write_code
from nbmerge.widgets.panels import history as module


@pytest.fixture
def panel(state, monkeypatch):
    """A history of three steps in two branches, in words."""
    monkeypatch.setattr(module, "REST", 0.01)
    state.edit(lambda r: r.with_parameter("weight", 0.5, "ft2"))
    state.undo()
    state.edit(lambda r: r.with_parameter("lambda", 0.5))
    state.notes.summarise()
    panel = HistoryPanel(state=state)
    yield panel
    panel.close()


def act(panel, action, **args):
    panel.view._receive({"action": action, "args": args, "count": 1})
    return panel.view.content


def test_it_shows_the_tree_newest_first(panel):
    steps = panel.view.content["steps"]
    assert [(s["id"], s["lane"], s["parent"], s["current"], s["path"]) for s in steps] == [
        (3, 1, 2, True, True), (2, 0, 2, False, False), (1, 0, None, False, True),
    ]  # fmt: skip
    assert steps[1]["words"] == "weight of ft2 0.3 → 0.5"
    colours = model_colours(panel.state.plan)  # as in all other panels
    line, *others = steps[2]["lines"]
    assert line == {"values": pytest.approx([0, 0.2, 0.4, 0.6, 0.8, 1]), "colour": colours["ft1"]}
    assert {other["colour"] for other in others} == {None, colours["ft2"]}  # one is of the whole merge
    json.dumps(panel.view.content)


def test_any_step_can_be_returned_to_named_and_undone(panel, state):
    content = act(panel, "go", step=2)
    assert [s["current"] for s in content["steps"]] == [False, True, False]
    assert act(panel, "rename", step=2, name="<b>best</b>")["steps"][1]["name"] == "<b>best</b>"
    assert act(panel, "undo")["can_redo"]
    act(panel, "redo")
    assert state.history.current_id == 2
    act(panel, "go", step=99)
    assert "no step 99" in panel.errors.value


def test_two_steps_are_compared_in_words_and_curves(panel):
    shown = act(panel, "compare", before=2, after=3)["comparison"]
    assert shown["words"] == ["lambda 1 → 0.5", "weight of ft2 0.5 → 0.3"]
    assert shown["curves"][1] == {"title": "weight of ft2", "before": [0.5] * 6, "after": [0.3] * 6}
    assert act(panel, "close_comparison")["comparison"] is None


def test_scores_and_the_best_are_shown(panel, state):
    state.notes.scores.add("skill", lambda model: 0.0)
    for id, value in ((1, 0.25), (2, 0.5), (3, float("nan"))):
        recipe = state.history[id].recipe
        state.notes.add_scores(ScoreRecord(recipe.fingerprint, recipe, {"skill": value}))
    steps = panel.view.content["steps"]
    assert [s["best"] for s in steps] == [False, True, False]
    assert [s["scores"][0]["value"] for s in steps] == [None, 0.5, 0.25]


def test_new_steps_are_described_after_a_pause(panel, state):
    for value in (0.1, 0.2):
        state.edit(lambda r, value=value: r.with_parameter("lambda", value), tag="lambda")
    panel._soon.work_now()
    newest = panel.view.content["steps"][0]
    assert (newest["id"], newest["words"]) == (4, "lambda 0.5 → 0.2")


def test_the_code_of_a_cell_makes_the_same_recipe(panel, state):
    assert state.apply_text(f'# a "quoted" \\ comment """\n{state.text}')
    names = {}
    exec(panel.view.content["code"].replace("nbm.merge(", "print("), names)
    assert names["recipe"] == state.recipe
    hostile = Recipe.of({"merge_method": "linear", "models": ['"""\nimport os\nos.mkdir("ran")\n"""', "a/b"]})
    exec(write_code(hostile.to_yaml()).replace("nbm.merge(", "print("), names)
    assert names["recipe"] == hostile
    assert not Path("ran").exists()


def test_many_steps_are_thinned_out(panel, state, monkeypatch):
    monkeypatch.setattr(module, "MOST_ROWS", 5)
    for value in range(10):
        state.edit(lambda r, value=value: r.with_parameter("lambda", value / 20))
    assert len(panel.view.content["steps"]) == 5
    assert panel.view.content["hidden"] == 8


def test_a_step_that_adds_a_point_to_a_line_says_so(panel, state):
    state.edit(lambda r: r.with_parameter("weight", [0.3, 0.3, 0.3], "ft2"))
    state.notes.summarise()
    assert act(panel, "close_comparison")["steps"][0]["words"] == "the same values in other words or points"
