"""The main job by hand: mouse and keyboard in a real JupyterLab."""

from __future__ import annotations

import re

import pytest

pytest.importorskip("playwright.sync_api", reason="no browser tests: playwright is not installed")

from playwright.sync_api import Page, expect

from tests.browser.hands import curve, editor, knot, press, slider, tab, undo, write_recipe
from tests.browser.labdrive import drag, execute, theme, until, value

pytestmark = pytest.mark.browser

WEIGHT = "studio.state.plan['model.layers.{}.mlp.up_proj.weight'].values.each['weight'][1]"
SLOW_MERGE = """
import time
import nbmerge.widgets.panels.merge as panel
from nbmerge.engine.merge import merge
def slow(*args, progress, **rest):
    return merge(*args, progress=lambda event: (progress(event), time.sleep(0.05)), threads=1, **rest)
panel.merge = slow
"""


def test_showing_it_changes_nothing(page: Page):
    expect(page.locator(".nbm-tracks .nbm-slider")).to_have_count(9)
    expect(page.locator(".nbm-tracks .nbm-knot")).to_have_count(6)
    tab(page, "Models")
    tab(page, "Method")
    assert value(page, "[studio.state.can_undo, studio.state.revision]") == [False, 1]


def test_a_slider_moves_recipe_and_curve(page: Page):
    drag(page, slider(page, 3), 20)
    until(page, WEIGHT.format(2) + " > 0.55")
    exact = value(page, WEIGHT.format(2))
    expect(page.locator(".nbm-slider").nth(3)).to_contain_text(f"{exact:.2f}".lstrip("0"))
    until(page, f"'{exact:g}' in studio.recipe_panel.view.content['text']")
    expect(editor(page)).to_contain_text(f"{exact:g}")


def test_a_knot_moves_the_recipe_in_one_step(page: Page):
    drag(page, knot(page, 1), 40)
    until(page, "studio.recipe.models[0].parameters['weight'].plain()[1] > 0.6")
    until(page, "studio.recipe.models[0].parameters['weight'].plain()[::2] == [0, 1]")
    undo(page)
    until(page, "not studio.state.can_undo")
    expect(page.locator(".nbm-typed")).to_have_value("0, 0.5, 1")


def test_the_keyboard_moves_layers_and_the_notebook_takes_no_key(page: Page):
    curve(page).focus()
    page.keyboard.press("Home")
    for _ in range(2):
        page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowUp")
    until(page, f"abs({WEIGHT.format(1)} - 0.21) < 1e-9")
    expect(curve(page)).to_have_attribute("aria-valuetext", re.compile("^layer 1: 0.21"))
    page.keyboard.press("PageDown")
    until(page, f"abs({WEIGHT.format(1)} - 0.11) < 1e-9")
    expect(page.locator(".jp-Notebook .jp-Cell")).to_have_count(1)


def test_the_text_moves_the_sliders(page: Page):
    write_recipe(page, value(page, "studio.state.text").replace("[0, 0.5, 1]", "[1, 0.5, 0]"))
    press(page, "recipe", "Apply")
    until(page, WEIGHT.format(0) + " == 1")
    expect(page.locator(".nbm-typed")).to_have_value("1, 0.5, 0")


def test_a_bad_text_is_shown_at_its_line(page: Page):
    fingerprint = value(page, "studio.recipe.fingerprint")
    write_recipe(page, "merge_method: slerp\nmodelz: []\n")
    page.keyboard.press("Control+Enter")  # which runs no cell
    problems = page.get_by_role("list", name="Problems of the recipe")
    expect(problems).to_contain_text("line 2: error: ")
    expect(problems).to_contain_text("Did you mean 'models'?")
    expect(page.locator(".nbm-recipe .cm-lint-marker-error").first).to_be_visible()
    expect(page.locator(".nbm-status.nbm-grow")).to_contain_text("not applied")
    assert value(page, "studio.recipe.fingerprint") == fingerprint
    press(page, "recipe", "Revert")
    expect(page.locator(".nbm-status.nbm-grow")).to_contain_text("ready")


def test_a_problem_with_the_models_is_shown_too(page: Page):
    write_recipe(page, value(page, "studio.state.text").replace("family/ft2", "family/ft3"))
    press(page, "recipe", "Apply")
    expect(page.get_by_role("list", name="Problems of the recipe")).to_contain_text(
        "neither a local folder nor a model"
    )
    expect(page.locator(".nbm-tracks").last).to_contain_text("Fix the errors in the recipe to see its layers")
    undo(page)
    expect(slider(page, 0)).to_be_visible()


def test_merge_writes_a_model(page: Page, server):
    tab(page, "Merge")
    page.locator(".nbm-merge").get_by_label("Output folder").fill("by-hand")
    page.keyboard.press("Enter")
    press(page, "merge", "Merge")
    expect(page.locator(".nbm-done")).to_contain_text("by-hand")
    assert (server[1] / "by-hand" / "model.safetensors").is_file()


def test_a_merge_is_stopped(page: Page, server):
    execute(page, SLOW_MERGE)
    tab(page, "Merge")
    page.locator(".nbm-merge").get_by_label("Output folder").fill("stopped")
    page.keyboard.press("Enter")
    press(page, "merge", "Merge")
    expect(page.locator(".nbm-merge .nbm-job")).to_contain_text("left")
    press(page, "merge", "Stop")
    expect(page.locator(".nbm-merge .nbm-job")).to_contain_text("Stopped")
    assert not (server[1] / "stopped").exists()
    assert value(page, "studio.state.job.status") == "stopped"
    execute(page, "panel.merge = merge")


def test_distances_follow_the_hand(page: Page):
    tracks = page.locator(".nbm-tracks").last
    tracks.get_by_role("button", name="Measure the models").click()
    expect(tracks).to_contain_text("Exact; follows the sliders")
    line = tracks.locator(".nbm-moved-line").first
    before = line.get_attribute("d")
    drag(page, slider(page, 2), 20)
    expect(line).not_to_have_attribute("d", before)
    slider(page, 2).hover(force=True)
    expect(tracks.locator(".nbm-readout")).to_contain_text(re.compile("Layer 1.*distance from base .* %"))
    page.locator(".nbm-method").get_by_label("Method").select_option("TIES")
    expect(tracks).to_contain_text("Out of date")
    tracks.get_by_role("button", name="Measure this merge").click()
    expect(tracks).to_contain_text("Measured on this recipe")


def test_every_formula_is_typeset_offline(page: Page):
    tab(page, "Method")
    method = page.locator(".nbm-method").get_by_label("Method")
    wrong = {}
    for name in [text.replace("\xa0", " ") for text in method.locator("option").all_inner_texts()]:
        method.select_option(label=name)
        page.wait_for_function(
            "(name) => { const f = document.querySelector('.nbm-formula mjx-container, .nbm-formula .MathJax');"
            " const chosen = document.querySelector('.nbm-method select').selectedOptions[0].text;"
            " return f && chosen.replaceAll('\xa0', ' ') === name; }",
            arg=name,
        )
        until(page, f"studio.state.plan is None or studio.state.plan.method.title == {name!r}")
        bad = page.locator(".nbm-formula").locator("mjx-merror, [data-mml-node=merror], [style*=red]")
        if bad.count():
            wrong[name] = bad.first.inner_text()
    assert wrong == {}


def test_an_error_behind_a_button_is_on_screen(page: Page):
    tab(page, "Models")
    page.locator(".nbm-models").get_by_label("Add from").select_option("a folder")
    page.locator(".nbm-models").get_by_placeholder("/path/to/model").fill("/no/such/model")
    press(page, "models", "Add")
    expect(page.locator(".nbm-models [role=alert]")).to_contain_text("neither a local folder nor a model")


@pytest.mark.parametrize("name", ["JupyterLab Light", "JupyterLab Dark"])
def test_it_reads_in_both_themes_and_in_any_width(page: Page, name: str):
    theme(page, name)
    left, right = page.locator(".nbm-columns > .nbm-tabs").first, page.locator(".nbm-columns > .nbm-tabs").last
    assert abs(left.bounding_box()["y"] - right.bounding_box()["y"]) < 2  # side by side
    page.set_viewport_size({"width": 800, "height": 1200})
    page.wait_for_function(
        "() => { const [a, b] = document.querySelectorAll('.nbm-columns > .nbm-tabs');"
        " return b.getBoundingClientRect().top >= a.getBoundingClientRect().bottom; }"
    )
    studio = page.locator(".nbm-studio").bounding_box()
    assert studio["x"] + studio["width"] <= 800
