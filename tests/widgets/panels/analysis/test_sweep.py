"""The Sweep panel: paths between steps and parents, and the way from a point to its recipe."""

import pytest

import nbmerge as nbm
from nbmerge.widgets import SweepPanel
from tests.widgets.browser import act

PROMPTS = "the fox went to the river\nand the lion came"


@pytest.fixture
def panel(state):
    state.prompts = PROMPTS
    state.edit(lambda recipe: recipe.with_parameter("weight", 0.9, "ft2"))
    return SweepPanel(state=state)


def swept(panel, first, second, points=3):
    act(panel.view, "start", first=first, second=second, points=points)
    assert panel.state.job.wait(60)
    assert panel.errors.value == ""
    return panel.view.content["path"]


def test_the_step_before_and_the_recipe_on_screen_are_suggested(panel):
    other = panel.state.recipe.replace(models=panel.state.recipe.models[:1])
    panel.state.set_recipe(other)
    panel.state.undo()  # a step of other models, to which there is no path
    assert panel.view.content["suggested"] == ["step 1", "now"]
    assert [end["key"] for end in panel.view.content["ends"]] == [
        "now", "step 1", "parent base", "parent ft1", "parent ft2",
    ]  # fmt: skip
    assert panel.view.content["chosen"] == ["perplexity of the prompts"]


@pytest.mark.slow
def test_a_path_is_that_of_sweep_and_a_click_goes_to_its_recipe(panel, state):
    first, second = state.history[1].recipe, state.recipe
    path = swept(panel, "step 1", "now")
    expected = nbm.sweep(first, second, 3, {"prompts": PROMPTS.split("\n")}, progress=False)
    (curve,) = path["curves"]
    assert curve["values"] == pytest.approx(expected.values["prompts"], rel=1e-5)
    assert path["current"] == 2
    act(panel.view, "go", point=1)
    assert state.recipe == expected.recipes[1]
    assert panel.view.content["path"]["current"] == 1
    steps = len(state.history)
    act(panel.view, "go", point=0)  # a step that is there already
    assert (state.history.current_id, len(state.history)) == (1, steps)


def test_from_one_parent_to_another(panel, state):
    path = swept(panel, "parent ft1", "parent ft2", points=2)
    assert path["ends"] == ["ft1 alone", "ft2 alone"]
    models = {m.model.name: str(m.model) for m in state.recipe.models}
    expected = [
        nbm.sampling.scores.JointPerplexity(tuple(PROMPTS.split("\n")))(models[name]) for name in ("ft1", "ft2")
    ]
    assert path["curves"][0]["values"] == pytest.approx(expected, rel=1e-4)


def test_what_cannot_be_swept_is_said(panel, state):
    act(panel.view, "start", first="now", second="step 99", points=3)
    assert "not there any more" in panel.errors.value
    act(panel.view, "start", first="now", second="step 1", points=1)
    assert "2 to 101 points" in panel.errors.value
