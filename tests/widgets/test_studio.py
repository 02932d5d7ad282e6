import pytest

from nbmerge.methods import methods
from nbmerge.widgets import Studio, StudioState
from nbmerge.widgets.studio import describe_state
from tests.costs import rest_is_slow


def test_panels_share_one_state(recipe):
    studio = Studio(recipe)
    assert studio.recipe == recipe
    studio.gradients.sliders.children[3].set_state({"value": 0.77})
    assert "0.77" in studio.recipe_panel.area.value
    studio.recipe = recipe
    assert studio.gradients.sliders.children[3].value == pytest.approx(0.4)
    assert studio.errors.value == ""


def test_what_nobody_sees_is_shown_when_it_comes_to_the_front(recipe):
    studio = Studio(recipe)
    left, right = studio.children[3].children
    assert [p.in_view for p in right.children] == [True, False, False, False, False, False]
    right.selected_index = 5
    assert studio.merge.in_view
    studio.gradients.sliders.children[3].set_state({"value": 0.77})
    assert "0.77" not in studio.recipe_panel.area.value
    right.selected_index = 0
    assert "0.77" in studio.recipe_panel.area.value
    assert left.selected_index == 3


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
        studio.gradients,
        studio.recipe_panel,
        studio.statistics,
        studio.samples,
        studio.scores,
        studio.merge,
    )
    assert [p.errors.value for p in panels] == [""] * 8
    assert studio.state.plan is not None, studio.state.problems
    if studio.gradients.track:
        slider = studio.gradients.sliders.children[3]
        slider.set_state({"value": slider.min + 0.61 * (slider.max - slider.min)})
        assert studio.gradients.errors.value == ""
        assert f"{slider.value:.6g}" in studio.state.text
