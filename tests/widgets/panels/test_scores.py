"""The Scores panel without a browser."""

import math

import pytest

from nbmerge.sampling import ScoreHistory
from nbmerge.widgets import ScoresPanel
from nbmerge.widgets.controls.score_table import score_table, sparkline


def weight_of(model):
    return float(model.model.get_parameter("model.layers.2.mlp.up_proj.weight").sum())


@pytest.fixture
def panel(state):
    panel = ScoresPanel(state=state)
    panel.add("<weight>", weight_of)
    return panel


def read(panel):
    panel.compute.click()
    assert panel.runner.wait(120)
    assert panel.errors.value == ""


def test_a_users_function_is_read_with_its_history(panel, state):
    assert "not computed yet" in panel.view.value
    panel.state.pool.load_merge(state.plan, "live")
    read(panel)
    assert "&lt;weight&gt;" in panel.view.value
    assert "<weight>" not in panel.view.value
    assert panel.compact_view.value == panel.view.value
    assert "Computed with a " in panel.note.value
    state.edit(lambda r: r.with_parameter("weight", 0.9, "ft1"))
    assert "Out of date" in panel.note.value
    read(panel)
    assert len(panel.history.values("<weight>")) == 2
    assert "better" in panel.view.value or "worse" in panel.view.value


def test_beside_the_curve_scores_of_another_recipe_are_out_of_date(panel, state):
    read(panel)
    panel.in_view = False
    state.edit(lambda r: r.with_parameter("weight", 0.9, "ft1"))
    assert "out of date" in panel.compact_view.value
    state.undo()
    assert "out of date" not in panel.compact_view.value
    assert list(state.history.current.scores) == ["<weight>"]


def test_it_follows_the_sliders_where_it_is_asked_to(panel, state):
    panel.automatic.value = True
    assert panel.runner.wait(120)
    panel.in_view = False  # the scores are also seen beside the curve
    state.edit(lambda r: r.with_parameter("weight", 0.9, "ft1"))
    assert panel.runner.wait(120)
    assert panel.history.latest.fingerprint == state.recipe.fingerprint


def test_a_function_that_fails_says_so_and_the_others_are_read(panel):
    panel.add("broken", lambda model: 1 / 0)
    read(panel)
    assert "ZeroDivisionError" in panel.view.value
    assert len(panel.history.values("<weight>")) == 1


def test_scores_are_added_by_hand(panel):
    panel.kind.value = "perplexity of a text"
    panel.adder.click()
    assert "Enter a text" in panel.errors.value
    panel.passage.value = "the cat sat"
    panel.adder.click()
    panel.kind.value = "what follows a prompt"
    panel.prompt.value, panel.wanted.value, panel.unwanted.value = "the c", "at | ar", "xx"
    panel.adder.click()
    assert list(panel.history.scores)[1:] == ["perplexity of “the cat sat”", "the cat or  ar not xx"]
    read(panel)
    assert all(math.isfinite(panel.history.values(name)[-1]) for name in panel.history.scores)
    panel.which.value = "<weight>"
    panel.remove.click()
    assert "weight" not in panel.view.value


def test_back_to_the_best(panel, state):
    first = state.recipe
    panel.add("like the first", lambda model: float(model.recipe.fingerprint == first.fingerprint))
    read(panel)
    state.edit(lambda r: r.with_parameter("weight", 0.9, "ft1"))
    read(panel)
    panel.which.value = "like the first"
    panel.back.click()
    assert state.recipe == first


def test_the_bundled_family_has_scores_of_its_own():
    from nbmerge import demo

    panel = ScoresPanel(recipe=demo.recipe())
    assert list(panel.history.scores) == ["skill: reverse", "skill: upper"]


def test_a_history_is_a_line_with_its_end_and_its_best():
    history = ScoreHistory({"a": lambda model: next(values)})
    values = iter([0.1, 0.9, 0.5, math.nan])
    for _ in range(4):
        history.evaluate(None)
    drawn = sparkline(history.values("a")[:3], 0.9, "a")
    assert "6.0,26.0 66.0,6.0 126.0,16.0" in drawn
    assert "now 0.50" in drawn
    assert "not a number" in score_table(history, "")
    assert sparkline([math.nan], math.nan, "a") == ""
