"""The gradients panel: sliders, curve and recipe stay one."""

import pytest

from nbmerge.widgets import GradientsPanel
from nbmerge.widgets.curves.tracks import list_tracks, read_curve
from tests.widgets.browser import act, move


@pytest.fixture
def gradients(recipe):
    return GradientsPanel(recipe=recipe)


def test_showing_a_panel_changes_nothing(gradients, recipe):
    for slider in gradients.sliders.children:  # what a browser sends back when a slider is shown
        move(slider, value=slider.value + 1e-12)
    assert gradients.recipe == recipe
    assert not gradients.state.can_undo


def test_a_slider_moves_one_layer_and_the_curve(gradients):
    move(gradients.sliders.children[3], value=0.77)
    assert gradients.state.plan["model.layers.2.mlp.up_proj.weight"].values.each["weight"][1] == 0.77
    assert gradients.editor.content["points"][3]["value"] == 0.77
    assert "0.77" in gradients.typed.value


def test_the_browsers_rounding_is_no_move(gradients, recipe):
    gradients.recipe = recipe.with_parameter("weight", [0.123456, 0.7], "ft1")
    before = gradients.recipe
    for slider in gradients.sliders.children:
        move(slider, value=round(slider.value, 2))
    assert gradients.recipe == before


def test_the_late_echo_of_an_overtaken_value_is_no_move(gradients):
    act(gradients.editor, "move", slot=3, value=0.41, count=1)
    act(gradients.editor, "move", slot=3, value=0.31, count=2)
    move(gradients.sliders.children[3], value=0.41)  # the browser's answer to the first
    assert gradients.state.plan["model.layers.2.mlp.up_proj.weight"].values.each["weight"][1] == 0.31


def test_a_point_moves_its_slider(gradients):
    act(gradients.editor, "move", slot=2, value=0.91, count=1)
    assert gradients.sliders.children[2].value == pytest.approx(0.91)
    assert gradients.slot.value == 2


def test_the_browser_gets_numbers_and_names_of_the_points(gradients):
    view = gradients.editor.content
    assert [p["label"] for p in view["points"]][:2] == ["embeddings, weight of ft1", "layer 0, weight of ft1"]
    assert [p["inside"] for p in view["points"]] == [False, *[True] * 6, False, False]
    assert [line["selected"] for line in view["lines"]] == [True, False]
    assert view["lines"][0]["values"] == [p["value"] for p in view["points"]]
    assert (view["low"], view["high"], view["step"]) == (0.0, 1.0, 0.01)


def test_the_other_model_is_one_click_away(gradients):
    gradients.which.value = gradients.which.options[1][1]
    assert [s.value for s in gradients.sliders.children] == pytest.approx([0.3] * 9)
    move(gradients.sliders.children[1], value=0.5)
    assert gradients.recipe.models[1].parameters["weight"].at("x.mlp", 0) == 0.5


def test_presets_write_short_settings(gradients):
    buttons = {
        b.description: b for row in gradients.body.children for b in getattr(row, "children", ()) if hasattr(b, "click")
    }
    gradients.which.value = gradients.which.options[1][1]
    buttons["ramp up"].click()
    assert gradients.recipe.models[1].parameters["weight"].plain() == [0, 1]
    gradients.second.value = 0.25
    buttons["flat"].click()
    assert gradients.recipe.models[1].parameters["weight"].plain() == 0.25


def test_attention_and_mlp_can_be_drawn_apart(gradients):
    gradients.apart.value = True
    gradients.group.value = "mlp"
    move(gradients.sliders.children[3], value=0.9)
    drawn = read_curve(gradients.state.plan, list_tracks(gradients.state.plan)[0])
    assert drawn.layers["mlp"][2] == 0.9
    assert drawn.layers["attention"][2] == pytest.approx(0.4)
    gradients.apart.value = False
    drawn = read_curve(gradients.state.plan, list_tracks(gradients.state.plan)[0])
    assert drawn.layers["attention"] == drawn.layers["mlp"] == drawn.layers["rest"]


def test_a_recipe_with_filters_shows_its_groups_apart(gradients, recipe):
    gradients.recipe = recipe.with_parameter("weight", [{"filter": "mlp", "value": 1}, {"value": 0}], "ft1")
    assert gradients.apart.value


def test_numbers_outside_the_sliders_are_kept(gradients):
    gradients.typed.value = "-0.5, 0, 0.5, 1, 1.5, 2"
    assert gradients.errors.value == ""
    assert [s.value for s in gradients.sliders.children[1:-2]] == pytest.approx([-0.5, 0, 0.5, 1, 1.5, 2])
    assert gradients.state.plan["model.layers.0.mlp.up_proj.weight"].values.each["weight"][1] == -0.5


def test_numbers_that_the_method_refuses_never_reach_the_recipe(recipe):
    panel = GradientsPanel(recipe=recipe.replace(merge_method="ties"))
    panel.which.value = ("density", str(recipe.models[0].model))
    panel.value.value = 1.5
    assert "out of range: 0 to 1" in panel.errors.value
    assert panel.state.plan is not None
    assert panel.value.value == 1.0
    panel.value.value = 0.5
    assert panel.errors.value == ""


def test_words_instead_of_numbers_are_an_error_on_screen(gradients, recipe):
    gradients.typed.value = "a lot"
    assert "not a list of numbers" in gradients.errors.value
    assert gradients.recipe == recipe


def test_ends_have_values_of_their_own_until_they_are_tied(gradients):
    move(gradients.sliders.children[0], value=0.6)
    assert "embedding" in gradients.ends.value
    gradients.tie_ends.click()
    assert gradients.state.plan["model.embed_tokens.weight"].values.each["weight"][1] == 0


def test_a_picture_says_which_move_it_answers(gradients):
    act(gradients.editor, "move", slot=2, value=0.91, count=7)
    assert gradients.editor.content["answers"] == 7


def test_a_refused_move_is_answered_too(recipe):
    panel = GradientsPanel(recipe=recipe.replace(merge_method="ties"))
    panel.which.value = ("density", str(recipe.models[0].model))
    act(panel.editor, "move", slot=2, value=1.5, count=3)
    assert panel.editor.content["answers"] == 3
    assert panel.editor.content["points"][2]["value"] == 1.0
    assert "out of range: 0 to 1" in panel.errors.value
