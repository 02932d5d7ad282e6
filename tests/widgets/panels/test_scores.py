"""The Scores panel without a browser."""

import math

import pytest

from nbmerge.sampling import ScoreHistory
from nbmerge.widgets import ScoresPanel
from nbmerge.widgets.panels.score_rows import draw_rows
from nbmerge.widgets.state.history import History
from tests.widgets.browser import act


def weight_of(model):
    return float(model.model.get_parameter("model.layers.2.mlp.up_proj.weight").sum())


@pytest.fixture
def panel(state):
    panel = ScoresPanel(state=state)
    panel.add("<weight>", weight_of)
    return panel


def compute(panel):
    act(panel.view, "compute")
    assert panel.runner.wait(120)
    assert panel.errors.value == ""
    return panel.view.content["scores"]


@pytest.mark.slow
def test_a_users_function_is_computed_with_its_history(panel, state):
    (row,) = panel.view.content["scores"]
    assert (row["name"], row["state"], row["points"]) == ("<weight>", "none", [])
    state.pool.load_merge(state.plan, "live")
    (row,) = compute(panel)
    assert (row["state"], row["change"]) == ("current", "first value")
    assert "Computed with a " in panel.view.content["note"]
    panel.in_view = False  # the scores stay in sight
    state.edit(lambda r: r.with_parameter("weight", 0.9, "ft1"))
    panel.in_view = True
    assert panel.view.content["scores"][0]["state"] == "stale"
    assert "Out of date" in panel.view.content["note"]
    (row,) = compute(panel)
    assert row["change"][0] in "▲▼"
    assert row["better"] in (True, False)
    assert [p["shown"] for p in row["points"]] == [False, True]
    state.undo()
    (row,) = panel.view.content["scores"]
    assert (row["state"], row["change"]) == ("current", "first value")
    assert list(state.history.current.scores) == ["<weight>"]


def test_a_point_leads_back_to_its_step(panel, state):
    first = state.recipe
    compute(panel)
    state.edit(lambda r: r.with_parameter("weight", 0.9, "ft1"))
    (row,) = compute(panel)
    act(panel.view, "go", step=row["points"][0]["step"])
    assert state.recipe == first
    assert state.can_redo
    act(panel.view, "go", step=99)
    assert "no step 99" in panel.errors.value


def test_the_change_is_that_from_the_step_before_in_the_tree(panel, state):
    values = iter([1.0, 5.0, 2.0])
    panel.add("<weight>", lambda model: next(values))
    compute(panel)
    state.edit(lambda r: r.with_parameter("weight", 0.9, "ft1"))
    compute(panel)
    state.undo()
    state.edit(lambda r: r.with_parameter("weight", 0.1, "ft1"))
    assert compute(panel)[0]["change"] == "▲ 1.00"  # 2 after 1, not after the 5 of the other branch


def test_it_follows_the_recipe_where_it_is_asked_to(panel, state):
    act(panel.view, "set_follow", follow=True)
    assert panel.runner.wait(120)
    state.edit(lambda r: r.with_parameter("weight", 0.9, "ft1"))
    assert panel.runner.wait(120)
    assert panel.history.latest.fingerprint == state.recipe.fingerprint


def test_a_function_that_fails_says_so_and_the_others_are_computed(panel):
    panel.add("broken", lambda model: 1 / 0)
    _, row = compute(panel)
    assert (row["state"], row["fault"].partition(":")[0]) == ("failed", "ZeroDivisionError")
    assert len(panel.history.values("<weight>")) == 1


def test_scores_are_added_by_hand(panel):
    act(panel.view, "add_text", text=" ")
    assert "Enter a text" in panel.errors.value
    act(panel.view, "add_text", text="the cat sat")
    act(panel.view, "add_phrase", prompt="the c", wanted="at | ar", unwanted="xx")
    assert list(panel.history.scores)[1:] == ["perplexity of “the cat sat”", "the cat or  ar not xx"]
    compute(panel)
    assert all(math.isfinite(panel.history.values(name)[-1]) for name in panel.history.scores)
    assert [row["lower"] for row in panel.view.content["scores"]] == [False, True, False]
    act(panel.view, "remove", name="<weight>")
    assert "<weight>" not in [row["name"] for row in panel.view.content["scores"]]


def test_back_to_the_best(panel, state):
    first = state.recipe
    panel.add("like the first", lambda model: float(model.recipe.fingerprint == first.fingerprint))
    act(panel.view, "restore_best", name="like the first")
    assert "no values yet" in panel.errors.value
    compute(panel)
    state.edit(lambda r: r.with_parameter("weight", 0.9, "ft1"))
    compute(panel)
    act(panel.view, "restore_best", name="like the first")
    assert state.recipe == first


def test_the_bundled_family_has_scores_of_its_own():
    from nbmerge import demo

    panel = ScoresPanel(recipe=demo.recipe())
    assert list(panel.history.scores) == ["skill: reverse", "skill: upper"]
    assert panel.view.content["skills"] == ["skill: reverse", "skill: upper"]


def test_a_value_that_is_not_a_number_is_reported_and_not_drawn():
    history = ScoreHistory({"a": lambda model: next(values)})
    values = iter([0.1, 0.9, math.nan])
    for _ in range(3):
        history.evaluate(None)
    (row,) = draw_rows(history, History(), "")
    assert row["value"] == "not a number"
    assert [p["value"] for p in row["points"]] == [0.1, 0.9, None]
    assert [p["best"] for p in row["points"]] == [False, True, False]
    assert row["best"] == "0.90"
