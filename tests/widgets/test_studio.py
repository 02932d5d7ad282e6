import pytest

from nbmerge.methods import methods
from nbmerge.widgets import Studio, StudioState
from nbmerge.widgets.studio import describe_state
from tests.costs import rest_is_slow
from tests.widgets.browser import act


def test_panels_share_one_state(recipe):
    studio = Studio(recipe)
    assert studio.recipe == recipe
    act(studio.tracks.view, "curve.set_values", values=[[3, 0.77]], gesture=1)
    assert "0.77" in studio.recipe_panel.view.content["text"]
    studio.recipe = recipe
    assert studio.tracks.view.content["rows"]["curve"]["chosen"]["values"][3] == pytest.approx(0.4)
    assert studio.errors.value == ""


def test_what_nobody_sees_is_shown_when_it_comes_to_the_front(recipe):
    studio = Studio(recipe)
    left, right = next(c for c in studio.children if "nbm-columns" in c._dom_classes).children
    assert [p.in_view for p in right.children] == [True, False, False, False, False, False]
    right.selected_index = 4
    assert studio.merge.in_view
    act(studio.tracks.view, "curve.set_values", values=[[3, 0.77]], gesture=1)
    assert "0.77" not in studio.recipe_panel.view.content["text"]
    right.selected_index = 0
    assert "0.77" in studio.recipe_panel.view.content["text"]
    assert left.selected_index == 2


def test_its_repr_is_worth_reading(recipe):
    text = repr(Studio(recipe))
    assert text.startswith("<Studio <Recipe task_arithmetic")
    assert "merge_method: task_arithmetic" in text


def test_status_says_how_things_stand_and_what_is_next(recipe):
    state = StudioState()
    assert "Choose a base model" in describe_state(state)
    state.set_recipe(recipe)
    assert "ready" in describe_state(state)
    assert "base, ft1, ft2" in describe_state(state)
    state.set_recipe(recipe.replace(merge_method="tiess"))
    assert "1 problem" in describe_state(state)
    assert "Did you mean" in describe_state(state)
    state.undo()
    state.apply_text("merge_method: [")
    assert "text not applied" in describe_state(state)


def test_nothing_given_starts_with_the_bundled_family_if_there_is_one():
    studio = Studio()
    assert studio.errors.value == ""
    assert studio.recipe is None or studio.state.plan is not None


QUICK = ("linear", "slerp", "ties", "della", "passthrough", "model_stock", "nuslerp", "karcher")


@pytest.mark.parametrize("method", rest_is_slow(methods(), QUICK))
def test_every_method_can_be_chosen_and_drawn(recipe, method):
    studio = Studio(recipe)
    studio.method.method.value = method
    panels = (
        studio.models,
        studio.method,
        studio.tracks,
        studio.recipe_panel,
        studio.samples,
        studio.scores,
        studio.merge,
    )
    assert [p.errors.value for p in panels] == [""] * 7
    assert studio.state.plan is not None, studio.state.problems
    curve = studio.tracks.view.content["rows"].get("curve")
    if curve:
        low, high = curve["span"]
        goal = round(low + 0.61 * (high - low), 4)
        act(studio.tracks.view, "curve.set_values", values=[[3, goal]], gesture=1)
        assert studio.tracks.errors.value == ""
        assert f"{goal:.6g}" in studio.state.text
