"""Panels without kernel and browser: `set_state` is what a browser's message does, `click` is a click."""

import numpy as np
import pytest

from nbmerge.engine.progress import Event
from nbmerge.plots import to_png
from nbmerge.recipe import Recipe
from nbmerge.statistics import changes
from nbmerge.widgets import (
    GradientsPanel,
    MergePanel,
    MethodPanel,
    ModelsPanel,
    RecipePanel,
    SamplesPanel,
    ScoresPanel,
    StatisticsPanel,
)
from nbmerge.widgets.tracks import curve, tracks
from tests.models import make_model

PANELS = (GradientsPanel, MergePanel, MethodPanel, ModelsPanel, RecipePanel, SamplesPanel, ScoresPanel, StatisticsPanel)


def move(widget, **values):
    widget.set_state(values)


@pytest.mark.parametrize("kind", PANELS)
def test_every_panel_works_alone(kind, recipe):
    panel = kind(recipe=recipe)
    assert panel.errors.value == ""
    assert panel.recipe == recipe
    panel.recipe = recipe.with_parameter("lambda", 0.5).to_yaml()
    assert panel.state.plan.tensors[0].values["lambda"] == 0.5
    assert panel.errors.value == ""
    assert "task_arithmetic" in repr(panel)


@pytest.mark.parametrize("kind", PANELS)
def test_every_panel_stands_an_empty_state_and_a_broken_recipe(kind, recipe):
    panel = kind()
    assert panel.errors.value == ""
    panel.recipe = recipe.replace(merge_method="no_such_method")
    assert panel.state.plan is None
    assert panel.errors.value == ""


# --- Gradients ---


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
    assert gradients.editor.view["points"][3]["value"] == 0.77
    assert "0.77" in gradients.typed.value


def test_the_browsers_rounding_is_no_move(gradients, recipe):
    gradients.recipe = recipe.with_parameter("weight", [0.123456, 0.7], "ft1")
    before = gradients.recipe
    for slider in gradients.sliders.children:
        move(slider, value=round(slider.value, 2))
    assert gradients.recipe == before


def test_the_late_echo_of_an_overtaken_value_is_no_move(gradients):
    move(gradients.editor, edit={"slot": 3, "value": 0.41, "count": 1})
    move(gradients.editor, edit={"slot": 3, "value": 0.31, "count": 2})
    move(gradients.sliders.children[3], value=0.41)  # the browser's answer to the first
    assert gradients.state.plan["model.layers.2.mlp.up_proj.weight"].values.each["weight"][1] == 0.31


def test_a_point_moves_its_slider(gradients):
    move(gradients.editor, edit={"slot": 2, "value": 0.91, "count": 1})
    assert gradients.sliders.children[2].value == pytest.approx(0.91)
    assert gradients.slot.value == 2


def test_the_browser_gets_numbers_and_names_of_the_points(gradients):
    view = gradients.editor.view
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
    drawn = curve(gradients.state.plan, tracks(gradients.state.plan)[0])
    assert drawn.layers["mlp"][2] == 0.9
    assert drawn.layers["attention"][2] == pytest.approx(0.4)
    gradients.apart.value = False
    drawn = curve(gradients.state.plan, tracks(gradients.state.plan)[0])
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
    assert "outside 0 to 1" in panel.errors.value
    assert panel.state.plan is not None
    assert panel.value.value == 1.0
    panel.value.value = 0.5
    assert panel.errors.value == ""


def test_words_instead_of_numbers_are_an_error_on_screen(gradients, recipe):
    gradients.typed.value = "a lot"
    assert "not a list of numbers" in gradients.errors.value
    assert gradients.recipe == recipe


def test_ends_have_values_of_their_own_until_they_follow(gradients):
    move(gradients.sliders.children[0], value=0.6)
    assert "embedding" in gradients.ends.value
    gradients.follow.click()
    assert gradients.state.plan["model.embed_tokens.weight"].values.each["weight"][1] == 0


# --- Recipe ---


def test_the_text_follows_the_sliders(state):
    panel, sliders = RecipePanel(state=state), GradientsPanel(state=state)
    move(sliders.sliders.children[3], value=0.77)
    assert "0.77" in panel.area.value
    assert not panel.edited


def test_the_sliders_follow_the_text(state):
    panel, sliders = RecipePanel(state=state), GradientsPanel(state=state)
    panel.area.value = panel.area.value.replace("[0, 0.5, 1]", "[1, 0.5, 0]").replace("value: 1\n", "value: 0\n")
    assert panel.edited
    panel.apply.click()
    assert not panel.edited
    assert [s.value for s in sliders.sliders.children[1:7]] == pytest.approx([1, 0.8, 0.6, 0.4, 0.2, 0])


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


# --- Method ---


def test_choosing_a_method_keeps_the_models(state):
    panel = MethodPanel(state=state)
    panel.method.value = "slerp"
    assert state.plan.method.name == "slerp"
    assert "arc between them" in panel.words.value
    assert "<a href='https://doi.org/" in panel.reference.value


def test_shared_and_flat_numbers_have_a_control(state):
    panel = MethodPanel(state=state)
    panel._shared["lambda"].box.value = 1.7
    assert state.plan.tensors[0].values["lambda"] == 1.7
    panel._shared["normalize"].box.value = True
    assert state.plan.tensors[0].values["normalize"] is True
    flat = panel._own["weight", str(state.recipe.models[1].model)]
    move(flat.slider, value=0.45)
    assert state.recipe.models[1].parameters["weight"].plain() == 0.45


def test_words_are_a_list(state):
    panel = MethodPanel(state=state)
    panel.method.value = "dare_ties"
    control = panel._shared["rescale"]
    control.box.index = 2
    assert state.plan.tensors[0].values["rescale"] == "l1"
    control.box.index = 1
    assert state.plan.tensors[0].values["rescale"] is False


def test_a_control_refuses_what_the_method_refuses(state):
    panel = MethodPanel(state=state)
    panel.method.value = "ties"
    control = panel._own["density", str(state.recipe.models[0].model)]
    control.box.value = 7
    assert "outside 0 to 1" in panel.errors.value
    assert state.plan is not None


# --- Models ---


def test_models_are_compared_and_the_reason_is_named(state, tmp_path):
    short = make_model(tmp_path / "short", layers=2)
    panel = ModelsPanel(state=state)
    panel.from_.value = "a folder"
    panel.folder.value = str(short)
    panel.add.click()
    assert "has 2 layers and base has 6" in panel.table.value
    assert state.plan is None
    panel.chosen.value = str(short)
    panel.remove.click()
    assert "short" not in panel.table.value
    assert state.plan is not None


def test_a_folder_that_is_no_model_is_refused_with_the_reason(state, tmp_path):
    panel = ModelsPanel(state=state)
    panel.from_.value = "a folder"
    panel.folder.value = str(tmp_path)
    panel.add.click()
    assert "is not a model folder" in panel.errors.value
    assert state.plan is not None


def test_from_nothing_to_a_recipe(deep_family):
    panel = ModelsPanel()
    panel.from_.value = "a folder"
    for path in (deep_family.base, deep_family.ft1, deep_family.ft2):
        panel.folder.value = str(path)
        panel.add.click()
    assert panel.state.plan.parents == ("base", "ft1", "ft2")
    panel.chosen.value = str(deep_family.ft1)
    panel.make_base.click()
    assert panel.state.plan.parents[0] == "ft1"


def test_models_that_a_method_leaves_aside_stay_chosen(state):
    panel = ModelsPanel(state=state)
    state.use_method("slerp")
    assert "not used" in panel.table.value
    assert "leaves these aside: base" in panel.hint.value


# --- Merge ---


def test_merge_writes_the_folder_and_says_where(state, tmp_path):
    panel = MergePanel(state=state)
    panel.out.value = str(tmp_path / "out")
    panel.dtype.value = "bfloat16"
    assert state.recipe.dtype == "bfloat16"
    panel.job.start.click()
    assert state.job.wait(60)
    assert panel.errors.value == ""
    assert (tmp_path / "out" / "config.json").is_file()
    assert str(tmp_path / "out") in panel.result.value
    assert panel.job.start.disabled  # it is there now
    panel.overwrite.value = True
    assert not panel.job.start.disabled
    state.edit(lambda r: r.with_parameter("lambda", 0.5))
    assert "from an earlier recipe" in panel.result.value
    panel.out.value = ""
    assert "Type the name" in panel.obstacle.value
    assert panel.errors.value == ""


def test_an_output_that_cannot_be_is_refused_before(state):
    panel = MergePanel(state=state)
    panel.out.value = str(state.base)
    assert "Choose another folder" in panel.obstacle.value
    assert panel.job.start.disabled
    panel.out.value = " "
    assert "Type the name" in panel.obstacle.value


def test_a_merge_is_stopped_and_leaves_nothing(state, tmp_path):
    panel = MergePanel(state=state)
    panel.out.value = str(tmp_path / "out")

    def stop(change):
        if isinstance(change["new"], Event):
            panel.job.stop.click()

    state.job.observe(stop, "event")
    panel.job.start.click()
    assert state.job.wait(60)
    assert state.job.status == "stopped"
    assert "Stopped" in panel.job.note.value
    assert not (tmp_path / "out").exists()


def test_what_goes_wrong_in_the_thread_is_on_screen(state, tmp_path):
    panel = MergePanel(state=state)
    panel.out.value = str(tmp_path / "out")
    (tmp_path / "out").write_text("in the way")  # after the check
    panel.job.start.click()
    assert state.job.wait(60)
    assert "is not a folder" in panel.errors.value


def test_one_thing_at_a_time_across_panels(state):
    import threading

    merge, statistics = MergePanel(state=state), StatisticsPanel(state=state)
    go = threading.Event()
    state.job.start("something", lambda progress, cancel: go.wait(10))
    assert merge.job.start.disabled
    assert statistics.job.start.disabled
    go.set()
    state.job.wait(10)
    assert not statistics.job.start.disabled


# --- Statistics ---


def test_statistics_follow_the_sliders_once_measured(state):
    panel, sliders = StatisticsPanel(state=state), GradientsPanel(state=state)
    assert panel.pictures.layout.display == "none"
    panel.job.start.click()
    assert state.job.wait(60)
    assert panel.errors.value == ""
    shown = []
    panel.view.observe(lambda change: shown.append(change["new"]), "view")
    move(sliders.sliders.children[3], value=0.99)
    assert len(shown) == 1  # at once, and the planner's own result was the same to the last bit
    assert "follows the sliders" in panel.note.value
    panel.what.value = "cosine"
    assert "cosine with" in panel.outside.value
    assert panel.view.view["axis"]["title"] == "cosine, by layer"


def test_what_is_drawn_is_what_a_measurement_of_the_merge_says(state):
    panel, sliders = StatisticsPanel(state=state), GradientsPanel(state=state)
    panel.job.start.click()
    assert state.job.wait(60)
    for slot, value in ((3, 0.99), (0, 0.2), (8, 0.7), (3, 0.1)):
        move(sliders.sliders.children[slot], value=value)
    drawn, real = np.frombuffer(panel.view.view["curves"]), changes(state.recipe).by_layer()
    assert drawn == pytest.approx(real.to_numpy().T.ravel(), rel=1e-5)
    cells = np.frombuffer(panel.view.view["cells"]).reshape(3, 6)
    assert cells == pytest.approx(changes(state.recipe).grid("base").to_numpy().T, rel=1e-5)
    figures = panel.figures()
    assert to_png(figures[0]).startswith(b"\x89PNG")


def test_methods_that_cannot_be_predicted_are_measured_and_go_out_of_date(state):
    state.use_method("ties")
    panel = StatisticsPanel(state=state)
    assert panel.job.start.description == "Measure this merge"
    panel.job.start.click()
    assert state.job.wait(60)
    assert panel.note.value == "Measured on the present recipe."
    state.edit(lambda r: r.with_parameter("lambda", 0.5))
    assert "Out of date" in panel.note.value
    assert "nbm-stale" in panel.drawn._dom_classes


def test_what_cannot_be_predicted_is_estimated_where_that_is_wanted(state):
    panel = StatisticsPanel(state=state)
    assert panel.guess.layout.display == "none"
    state.use_method("ties")
    assert panel.guess.layout.display == ""
    panel.guess.value = True
    assert panel.follow.wait(60)
    assert "<b>Estimated</b> from" in panel.note.value
    before = panel.view.view["curves"]
    state.edit(lambda r: r.with_parameter("lambda", 0.5))
    assert panel.follow.wait(60)
    assert panel.errors.value == ""
    assert panel.view.view["curves"] != before
    panel.job.start.click()
    assert state.job.wait(60)
    assert panel.follow.wait(60)
    assert panel.note.value == "Measured on the present recipe."
    drawn = np.frombuffer(panel.view.view["curves"]).reshape(3, 6)
    assert drawn == pytest.approx(changes(state.recipe).by_layer().to_numpy().T)
    state.use_method("task_arithmetic")
    assert panel.guess.layout.display == "none"


def test_a_picture_says_which_move_it_answers(gradients):
    move(gradients.editor, edit={"slot": 2, "value": 0.91, "count": 7})
    assert gradients.editor.view["answers"] == 7


def test_a_refused_move_is_answered_too(recipe):
    panel = GradientsPanel(recipe=recipe.replace(merge_method="ties"))
    panel.which.value = ("density", str(recipe.models[0].model))
    move(panel.editor, edit={"slot": 2, "value": 1.5, "count": 3})
    assert panel.editor.view["answers"] == 3
    assert panel.editor.view["points"][2]["value"] == 1.0
    assert "outside 0 to 1" in panel.errors.value
