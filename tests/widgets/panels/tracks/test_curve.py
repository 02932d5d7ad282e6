"""The curve of the Tracks panel: what is drawn is what the plan says, and what is drawn by hand is what the recipe says."""

import pytest

from nbmerge.widgets import TracksPanel
from nbmerge.widgets.state.studio_state import StudioState
from tests.widgets.browser import act


def curve(panel):
    return panel.view.content["rows"]["curve"]


def weight(panel, tensor, model=1):
    return panel.state.plan[tensor].values.each["weight"][model]


def test_showing_a_panel_changes_nothing(tracks, recipe):
    assert tracks.errors.value == ""
    assert tracks.recipe == recipe
    assert not tracks.state.can_undo


def test_columns_are_the_layers_with_what_is_outside_of_them(tracks):
    columns = tracks.view.content["columns"]
    assert [c["name"] for c in columns] == ["embed", *"012345", "norm", "head"]
    assert [c["layer"] for c in columns] == [None, *range(6), None, None]
    assert columns[1]["label"] == "layer 0"


def test_knots_are_those_of_the_recipe(tracks):
    part = curve(tracks)
    assert part["knots"] == [{"layer": 0, "value": 0}, {"layer": 2.5, "value": 0.5}, {"layer": 5, "value": 1}]
    assert part["text"] == "0, 0.5, 1"
    assert part["chosen"]["values"] == pytest.approx([0, 0, 0.2, 0.4, 0.6, 0.8, 1, 1, 1])
    assert part["tied"] == [True, *[False] * 6, True, True]
    assert [line["label"] for line in part["others"]] == ["ft2"]


def test_a_dragged_knot_keeps_the_list_and_is_one_step(tracks):
    for value in (0.6, 0.7, 0.8):
        act(tracks.view, "curve.set_knots", knots=[[0, 0], [2.5, value], [5, 1]], gesture=1)
    assert tracks.recipe.models[0].parameters["weight"].plain() == [0, 0.8, 1]
    assert curve(tracks)["knots"][1] == {"layer": 2.5, "value": 0.8}
    tracks.state.undo()
    assert curve(tracks)["knots"][1]["value"] == 0.5
    assert not tracks.state.can_undo


def test_knots_at_chosen_layers_are_written_as_layers(tracks):
    act(tracks.view, "curve.set_knots", knots=[[0, 0], [2, 0.9], [5, 1]], gesture=1)
    assert tracks.recipe.models[0].parameters["weight"].plain() == {0: 0, 2: 0.9, 5: 1}


def test_values_of_columns_change_those_alone(tracks):
    act(tracks.view, "curve.set_values", values=[[3, 0.77], [8, 0.1]], gesture=1)
    assert tracks.errors.value == ""
    assert weight(tracks, "model.layers.2.mlp.up_proj.weight") == 0.77
    assert weight(tracks, "lm_head.weight") == 0.1
    assert weight(tracks, "model.norm.weight") == 1
    assert curve(tracks)["tied"] == [True, *[False] * 6, True, False]
    assert curve(tracks)["chosen"]["values"] == pytest.approx([0, 0, 0.2, 0.77, 0.6, 0.8, 1, 1, 0.1])


def test_the_answer_does_not_wait_for_the_text(tracks):
    act(tracks.view, "curve.set_values", values=[[3, 0.77]], gesture=1, count=10**7)
    assert tracks.view.content["answers"] == 10**7
    assert "text" not in vars(tracks.state.history.current)  # not written before anybody asks
    assert "0.77" in tracks.state.text


def test_the_other_model_is_one_press_away(tracks, recipe):
    second = str(recipe.models[1].model)
    act(tracks.view, "curve.choose", parameter=None, model=second, part=None)
    assert curve(tracks)["knots"] == [{"layer": 2.5, "value": 0.3}]
    act(tracks.view, "curve.set_knots", knots=[[2.5, 0.5]], gesture=1)
    assert tracks.recipe.models[1].parameters["weight"].plain() == 0.5


def test_a_part_of_the_layers_is_drawn_alone_and_looking_at_it_changes_nothing(tracks, recipe):
    act(tracks.view, "curve.choose", parameter=None, model=None, part="mlp")
    assert tracks.recipe == recipe
    act(tracks.view, "curve.set_values", values=[[3, 0.9]], gesture=1)
    assert weight(tracks, "model.layers.2.mlp.up_proj.weight") == 0.9
    assert weight(tracks, "model.layers.2.self_attn.q_proj.weight") == pytest.approx(0.4)
    act(tracks.view, "curve.choose", parameter=None, model=None, part="all")
    assert weight(tracks, "model.layers.2.mlp.up_proj.weight") == 0.9  # nothing is joined by looking
    assert curve(tracks)["dots"][3] == [0.4, 0.9]


def test_other_models_are_looked_at_as_a_whole(tracks, recipe, deep_family):
    act(tracks.view, "curve.choose", parameter=None, model=None, part="mlp")
    models = [{"model": str(m), "parameters": {"weight": 0.5}} for m in (deep_family.ft1, deep_family.base)]
    tracks.recipe = {"merge_method": "linear", "models": models}
    assert curve(tracks)["part"] == "mlp"  # the same family
    tracks.rows["curve"]._family = frozenset()
    tracks.redraw()
    assert curve(tracks)["part"] == "all"


def test_shapes_and_typed_values(tracks):
    act(tracks.view, "curve.type_values", text="0.3")
    act(tracks.view, "curve.draw_shape", name="ramp up")
    assert tracks.recipe.models[0].parameters["weight"].plain() == [0, 1]
    act(tracks.view, "curve.type_values", text="-0.5, 1.7")
    assert tracks.recipe.models[0].parameters["weight"].plain() == [-0.5, 1.7]
    assert curve(tracks)["span"] == [-0.5, 1.7]
    act(tracks.view, "curve.type_values", text="a lot")
    assert "a number is expected, not" in tracks.errors.value


def test_a_curve_is_kept_as_a_shape_and_edited_as_text(tracks):
    act(tracks.view, "curve.type_values", text="0.2, 0.6, 0.9")
    act(tracks.view, "curve.save_shape", name="my ramp ")
    assert curve(tracks)["shapes"][-1]["name"] == "my ramp"
    assert "my ramp: [0.2, 0.6, 0.9]" in curve(tracks)["own_shapes"]
    act(tracks.view, "curve.type_values", text="0.5")
    act(tracks.view, "curve.draw_shape", name="my ramp")
    assert tracks.recipe.models[0].parameters["weight"].plain() == [0.2, 0.6, 0.9]
    act(tracks.view, "curve.save_shape", name="<b>")
    assert "is not a name for a preset" in tracks.errors.value
    act(tracks.view, "curve.write_shapes", text="")
    assert curve(tracks)["own_shapes"] == ""
    assert curve(tracks)["shapes"][-1]["name"] == "wrap reversed"


def test_what_the_method_refuses_never_reaches_the_recipe(recipe):
    panel = TracksPanel(recipe=recipe.replace(merge_method="ties"))
    act(panel.view, "curve.choose", parameter="density", model=None, part=None)
    assert curve(panel)["limits"] == [0, 1]
    before = panel.recipe
    act(panel.view, "curve.set_values", values=[[2, 1.5]], gesture=1, count=10**6)
    assert "out of range: 0 to 1" in panel.errors.value
    assert panel.recipe == before
    assert panel.view.content["answers"] == 10**6


def test_models_that_supply_other_layers_stay_aligned(deep_family):
    """A recipe of slices: each model has points only where it supplies the layer."""
    first, second = str(deep_family.ft1), str(deep_family.ft2)
    slices = [
        {"sources": [{"model": first, "layer_range": [0, 3], "parameters": {"weight": 1}}]},
        {"sources": [{"model": second, "layer_range": [1, 6], "parameters": {"weight": [0.5, 0.9]}}]},
    ]
    panel = TracksPanel(recipe={"merge_method": "linear", "slices": slices})
    part = curve(panel)
    assert panel.errors.value == ""
    assert [c["name"] for c in panel.view.content["columns"]] == ["embed", *"01234567", "norm", "head"]
    assert part["chosen"]["values"] == [1, 1, 1, 1, *[None] * 5, None, None]
    other = part["others"][0]["values"]
    assert other[:4] == [None] * 4
    assert other[4:] == pytest.approx([0.5, 0.6, 0.7, 0.8, 0.9, 0.9, 0.9])
    act(panel.view, "curve.set_values", values=[[2, 0.25]], gesture=1)
    assert panel.errors.value == ""
    assert curve(panel)["chosen"]["values"][2] == 0.25


def test_an_empty_panel_has_a_reason():
    panel = TracksPanel(state=StudioState())
    assert "Choose models" in panel.view.content["reason"]
    assert panel.view.content["columns"] == []


def test_another_parameter_is_laid_over(recipe):
    panel = TracksPanel(recipe=recipe.replace(merge_method="ties"))
    act(panel.view, "curve.overlay", parameter="density")
    part = curve(panel)
    assert part["overlaid"] == ["density"]
    assert [(line["label"], bool(line["dash"])) for line in part["others"]] == [
        ("ft2", False),
        ("density of ft1", True),
    ]
    act(panel.view, "curve.choose", parameter="density", model=None, part=None)
    assert [line["label"] for line in curve(panel)["others"]] == ["ft2"]


def test_pinned_merges_stay_in_sight(tracks):
    tracks.state.notes.add_pin("A", tracks.recipe)
    assert curve(tracks)["pins"] == []  # it is what is drawn
    act(tracks.view, "curve.type_values", text="0.9")
    (pin,) = curve(tracks)["pins"]
    assert pin["label"] == "pinned A"
    assert pin["values"] == pytest.approx([0, 0, 0.2, 0.4, 0.6, 0.8, 1, 1, 1])
    tracks.state.notes.remove_pin("A")
    assert curve(tracks)["pins"] == []
