"""The main job by hand: mouse and keyboard in a real JupyterLab."""

from __future__ import annotations

import re
import time

import pytest

pytest.importorskip("playwright.sync_api", reason="no browser tests: playwright is not installed")

from playwright.sync_api import Locator, Page, expect

from tests.browser.hands import point, press, slider, tab
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


def text(page: Page) -> Locator:
    return page.locator(".nbm-recipe textarea").first


def settled(page: Page, slot: int, layer: int, seconds: float = 15) -> float:
    """Wait until plan, point, slider and text agree about a layer that was moved from 0.4; its value."""
    end = time.monotonic() + seconds
    while True:
        exact = value(page, WEIGHT.format(layer))
        seen = {
            "point": float(point(page, slot).get_attribute("aria-valuenow")),
            "slider": float(slider(page, slot).get_attribute("aria-valuetext")),
        }
        written = f"{exact:g}" in text(page).input_value()
        if exact != 0.4 and written and all(abs(v - exact) < 0.006 for v in seen.values()):
            return exact
        assert time.monotonic() < end, f"plan {exact}, {seen}, in the text: {written}"
        page.wait_for_timeout(50)


def test_showing_it_changes_nothing(page: Page):
    expect(page.locator(".nbm-dot")).to_have_count(9)
    expect(page.locator(".nbm-sliders .noUi-handle")).to_have_count(9)
    tab(page, "Method")
    tab(page, "Gradients")
    assert value(page, "[studio.state.can_undo, studio.state.revision]") == [False, 1]


def test_a_slider_moves_recipe_and_curve(page: Page):
    before = point(page, 3).bounding_box()["y"]
    drag(page, slider(page, 3), 30)
    assert settled(page, slot=3, layer=2) > 0.55
    assert point(page, 3).bounding_box()["y"] < before - 10
    until(page, "studio.state.can_undo")


def test_a_point_moves_its_slider_and_the_recipe(page: Page):
    drag(page, point(page, 3), 50)
    assert settled(page, slot=3, layer=2) > 0.6
    press(page, "recipe", "Undo")  # one drag is one step
    until(page, "not studio.state.can_undo")
    expect(point(page, 3)).to_have_attribute("aria-valuenow", "0.4")


def test_points_lie_where_the_sliders_stand(page: Page):
    page.wait_for_function("""() => {
        const middle = (node) => { const box = node.getBoundingClientRect(); return box.left + box.width / 2; };
        const points = [...document.querySelectorAll('.nbm-dot')];
        const handles = [...document.querySelectorAll('.nbm-sliders .noUi-handle')];
        return points.length === 9 && points.every((p, i) => Math.abs(middle(p) - middle(handles[i])) < 2);
    }""")


def test_the_keyboard_moves_points(page: Page):
    expect(page.get_by_role("slider", name="layer 2, weight of ft1")).to_have_count(1)
    point(page, 3).focus()
    page.keyboard.press("ArrowUp")
    until(page, f"abs({WEIGHT.format(2)} - 0.41) < 1e-9")
    page.keyboard.press("PageDown")
    until(page, f"abs({WEIGHT.format(2)} - 0.31) < 1e-9")
    page.keyboard.press("End")
    until(page, f"{WEIGHT.format(2)} == 1")
    expect(page.locator(".jp-Notebook .jp-Cell")).to_have_count(1)  # JupyterLab took no key for itself


def test_the_text_moves_the_sliders(page: Page):
    written = text(page).input_value()
    text(page).fill(written.replace("[0, 0.5, 1]", "[1, 0.5, 0]"))
    press(page, "recipe", "Apply")
    until(page, WEIGHT.format(0) + " == 1")
    expect(slider(page, 1)).to_have_attribute("aria-valuetext", "1")
    expect(point(page, 6)).to_have_attribute("aria-valuenow", "0")


def test_a_bad_text_is_shown_at_its_line(page: Page):
    fingerprint = value(page, "studio.recipe.fingerprint")
    text(page).fill("merge_method: slerp\nmodelz: []\n")
    press(page, "recipe", "Apply")
    expect(page.locator(".nbm-problems")).to_contain_text("line 2: modelz: []")
    expect(page.locator(".nbm-problems")).to_contain_text("Did you mean 'models'?")
    expect(page.locator(".nbm-status")).to_contain_text("not applied")
    assert value(page, "studio.recipe.fingerprint") == fingerprint
    press(page, "recipe", "Revert")
    expect(page.locator(".nbm-status")).to_contain_text("ready")


def test_a_problem_with_the_models_is_shown_too(page: Page):
    text(page).fill(text(page).input_value().replace("family/ft2", "family/ft3"))
    press(page, "recipe", "Apply")
    expect(page.locator(".nbm-recipe .nbm-problems")).to_contain_text("neither a local folder nor a model")
    expect(page.locator(".nbm-gradients")).to_contain_text("Fix the errors in the recipe to see the curve")
    press(page, "recipe", "Undo")
    expect(page.locator(".nbm-dot").first).to_be_visible()


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


def test_statistics_follow_the_hand(page: Page):
    tab(page, "Statistics")
    press(page, "statistics", "Measure the models")
    picture = page.locator(".nbm-changes svg.nbm-overlay")
    expect(picture).to_be_visible()
    expect(page.locator(".nbm-statistics")).to_contain_text("follows the sliders")
    expect(picture).to_have_attribute("aria-label", re.compile("from base between .* in layer"))
    curve = page.locator(".nbm-changes .nbm-curve-line").first
    before = curve.get_attribute("d")
    drag(page, point(page, 2), 60)
    expect(curve).not_to_have_attribute("d", before)
    tab(page, "Method")
    page.locator(".nbm-method").get_by_label("Method").select_option("TIES")
    expect(page.locator(".nbm-statistics")).to_contain_text("Out of date")
    press(page, "statistics", "Measure this merge")
    expect(page.locator(".nbm-statistics")).to_contain_text("Measured on the present recipe")


def test_the_statistics_picture_is_read_with_the_keyboard(page: Page):
    tab(page, "Statistics")
    press(page, "statistics", "Measure the models")
    picture, told = page.locator(".nbm-changes svg.nbm-overlay"), page.locator(".nbm-readout")
    expect(picture).to_be_visible()
    picture.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    expect(told).to_contain_text("Layer 1: base ")
    page.keyboard.press("End")
    expect(told).to_contain_text("Layer 5: base ")
    expect(page.locator(".jp-Notebook .jp-Cell")).to_have_count(1)
    page.locator(".nbm-statistics").get_by_label("Show").select_option("cosine")
    expect(page.locator(".nbm-changes .nbm-title").first).to_have_text("cosine, by layer")


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
