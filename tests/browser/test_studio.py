"""The main job by hand: mouse and keyboard in a real JupyterLab."""

from __future__ import annotations

import re

import pytest

pytest.importorskip("playwright.sync_api", reason="no browser tests: playwright is not installed")

from playwright.sync_api import Locator, Page, expect

from tests.browser.hands import curve, knot, popover, press, slider, status, tab, undo, wait_for_answer, write_recipe
from tests.browser.labdrive import drag, execute, theme, until, value
from tests.models import make_model

pytestmark = pytest.mark.browser

WEIGHT = "studio.state.plan['model.layers.{}.mlp.up_proj.weight'].values.each['weight'][1]"
SLOW_MERGE = """
import importlib, time
engine = importlib.import_module("nbmerge.engine.merge")
merge = engine.merge
def slow(*args, progress, **rest):
    return merge(*args, progress=lambda event: (progress(event), time.sleep(0.1)), threads=1, **rest)
engine.merge = slow
"""


FOLDER = "A model folder, or a folder of models"


def jobs(page: Page) -> Locator:
    return page.locator(".nbm-jobs-line")


# --- curves and text ---


def test_showing_it_changes_nothing(page: Page):
    expect(page.locator(".nbm-tracks .nbm-handle")).to_have_count(9)
    for name in ("Method", "Models", "Vocabulary", "Merge"):
        popover(page, name)
        page.keyboard.press("Escape")
    tab(page, "Recipe")
    tab(page, "Tokens")
    assert value(page, "[studio.state.can_undo, studio.state.revision]") == [False, 1]


def test_a_slider_moves_the_recipe_and_ctrl_z_takes_it_back(page: Page):
    drag(page, slider(page, 3), 20)
    until(page, f"{WEIGHT.format(2)} > 0.45")
    undo(page)
    until(page, "not studio.state.can_undo")
    drag(page, slider(page, 3), 20)
    until(page, "studio.state.can_undo")
    page.locator(".nbm-drawer-tabs button").first.focus()
    page.keyboard.press("Control+z")
    until(page, "not studio.state.can_undo")
    page.keyboard.press("Control+Shift+z")
    until(page, "studio.state.can_undo")


def test_a_knot_moves_the_recipe_in_one_step(page: Page):
    drag(page, knot(page, 1), 40)
    until(page, f"{WEIGHT.format(2)} > 0.45")
    until(page, "studio.recipe.models[0].parameters['weight'].plain()[::2] == [0, 1]")
    undo(page)
    until(page, "not studio.state.can_undo")


def test_a_curve_is_kept_as_a_shape_and_shared_as_text(page: Page):
    shapes = page.locator(".nbm-tracks").get_by_role("button", name="Shapes")
    shapes.click()
    page.get_by_role("menuitem", name="Save this curve").click()
    page.get_by_label("name of the shape").fill("mine")
    page.keyboard.press("Enter")
    shapes.click()
    page.get_by_role("menuitem", name="flat every layer").click()
    until(page, "studio.recipe.models[0].parameters['weight'].plain() == 1")
    shapes.click()
    page.get_by_role("menuitem", name="Your shapes").click()
    text = page.get_by_role("textbox", name="your shapes")
    expect(text).to_have_value(re.compile(r"mine: \["))
    text.fill("other: [0.2, 0.4]")
    pressed = page.evaluate("Date.now()")
    page.get_by_role("dialog", name="Your shapes").get_by_role("button", name="Save").click()
    wait_for_answer(page, pressed)
    shapes.click()
    expect(page.get_by_role("menuitem", name="mine")).to_have_count(0)
    page.get_by_role("menuitem", name="other your own").click()
    until(page, "studio.recipe.models[0].parameters['weight'].plain() == [0.2, 0.4]")


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
    for key in ("b", "x", "d", "d", "k"):  # insert, cut, delete and leave a cell, where the notebook takes them
        page.keyboard.press(key)
    expect(page.locator(".jp-Notebook .jp-Cell")).to_have_count(1)
    expect(curve(page)).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator(".nbm-typed")).to_be_focused()


def test_distances_follow_a_drag(page: Page):
    tracks = page.locator(".nbm-tracks").last
    tracks.get_by_role("button", name="Measure the models").click()
    expect(tracks).to_contain_text("Exact; follows the sliders")
    line = tracks.locator(".nbm-moved-line").first
    before = line.get_attribute("d")
    drag(page, slider(page, 2), 20)
    expect(line).not_to_have_attribute("d", before)
    slider(page, 2).hover(force=True)
    expect(tracks.locator(".nbm-readout")).to_contain_text(re.compile("Layer 1.*distance from base .* %"))
    popover(page, "Method").get_by_label("Method", exact=True).select_option("TIES")
    page.keyboard.press("Escape")
    expect(tracks).to_contain_text("Out of date")
    tracks.get_by_role("button", name="Measure this merge").click()
    expect(tracks).to_contain_text("Measured on this recipe")


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
    expect(status(page)).to_contain_text("not applied")
    assert value(page, "studio.recipe.fingerprint") == fingerprint
    press(page, "recipe", "Revert")
    expect(status(page)).to_contain_text("Ready")


def test_a_problem_with_the_models_is_shown_too(page: Page):
    write_recipe(page, value(page, "studio.state.text").replace("family/ft2", "family/ft3"))
    press(page, "recipe", "Apply")
    expect(page.get_by_role("list", name="Problems of the recipe")).to_contain_text(
        "neither a local folder nor a model"
    )
    expect(page.locator(".nbm-tracks").last).to_contain_text("Fix the errors in the recipe to go on")
    undo(page)
    expect(slider(page, 0)).to_be_visible()


# --- models, problems and remedies ---


def test_a_misfit_is_named_once_and_removed_by_a_button(page: Page, server):
    make_model(server[1] / "other-hidden", layers=6, hidden=32)
    sheet = popover(page, "Models")
    sheet.get_by_label(FOLDER).fill("other-hidden")
    page.keyboard.press("Enter")
    expect(sheet.locator(".nbm-fit.nbm-bad")).to_have_count(1)
    page.keyboard.press("Escape")
    expect(status(page)).to_contain_text("Not ready")
    expect(page.locator(".nbm-problem")).to_have_count(1)
    expect(page.locator(".nbm-problem")).to_contain_text("other-hidden does not fit the other models: it is 32 wide")
    expect(page.locator(".nbm-merge-chip")).to_have_attribute("data-ready", "false")
    page.get_by_role("button", name="Remove other-hidden").click()
    expect(status(page)).to_contain_text("Ready")
    expect(page.locator(".nbm-problem")).to_have_count(0)
    undo(page)
    expect(page.locator(".nbm-problem")).to_have_count(1)


def test_the_whole_of_a_problem_is_read_by_keyboard_and_moves_nothing(page: Page, server):
    make_model(server[1] / "a-model-with-a-long-name-of-which-two-lines-have-no-room", layers=4)
    execute(page, "studio.models.state.add_model('a-model-with-a-long-name-of-which-two-lines-have-no-room')")
    details = page.get_by_role("button", name="Details: ").first
    details.focus()
    before = page.locator(".nbm-tracks-card").bounding_box()
    page.keyboard.press("Enter")
    sheet = page.get_by_role("dialog", name="Details")
    expect(sheet).to_contain_text("it has 4 layers, base has 6; only slices of equal length can be merged.")
    expect(sheet).to_contain_text("use slices to choose layers")  # the advice, which has no room beside a remedy
    assert page.locator(".nbm-tracks-card").bounding_box() == before
    page.keyboard.press("Escape")
    expect(details).to_be_focused()
    page.keyboard.press("Enter")
    sheet.get_by_role("button", name="Remove a-model-with-a-long-name").click()
    expect(status(page)).to_contain_text("Ready")
    expect(sheet).to_have_count(0)


@pytest.mark.parametrize("width", [1500, 700])
def test_a_problem_moves_nothing_on_the_page(page: Page, server, width: int):
    page.set_viewport_size({"width": width, "height": 1300})
    cards = page.locator(".nbm-tracks-card, .nbm-samples-card, .nbm-scores-card")
    expect(page.locator(".nbm-says-table thead th")).to_have_count(5)
    page.wait_for_timeout(500)  # the rows have been drawn for the new width
    before = [cards.nth(i).bounding_box() for i in range(3)]
    execute(page, "studio.state.apply_text(studio.state.text.replace('merge_method: ', 'merge_method: not_'))")
    expect(page.locator(".nbm-problem")).to_have_count(1)
    expect(page.locator(".nbm-tracks .nbm-stale").first).to_be_visible()
    assert [cards.nth(i).bounding_box() for i in range(3)] == before
    undo(page)
    expect(page.locator(".nbm-problem")).to_have_count(0)
    assert [cards.nth(i).bounding_box() for i in range(3)] == before


def test_models_are_chosen_by_buttons_in_their_rows(page: Page, server):
    sheet = popover(page, "Models")
    sheet.get_by_role("button", name="Make ft2 the base").click()
    until(page, "studio.recipe.base_model.name == 'ft2'")
    sheet.get_by_role("button", name="Start over").click()
    until(page, "studio.recipe is None")
    expect(status(page)).to_contain_text("Add a base model")
    sheet.get_by_role("button", name="Open family", exact=True).click()
    for name in ("base", "ft1"):
        sheet.locator(".nbm-folder-list").get_by_role("button", name=f"Add {name}", exact=True).click()
    until(page, "studio.state.plan is not None")
    expect(page.locator(".nbm-chips .nbm-chip")).to_have_count(2)
    expect(page.locator(".nbm-tracks .nbm-handle")).to_have_count(9)


def test_a_folder_is_opened_and_a_model_is_added_by_keyboard(page: Page, server):
    make_model(server[1] / "mine" / "deep <b>down" / "ft3", layers=6)
    sheet, keys = popover(page, "Models"), page.keyboard
    rows = sheet.locator(".nbm-folder-list")
    expect(rows).to_contain_text("family")
    height = sheet.bounding_box()["height"]
    sheet.get_by_role("button", name="Open family", exact=True).focus()  # one tab stop; the rest by arrows and letters
    keys.press("m")
    expect(sheet.get_by_role("button", name="Open mine", exact=True)).to_be_focused()
    keys.press("Enter")
    expect(sheet.get_by_role("button", name="Open deep <b>down")).to_be_focused()
    keys.press("Enter")
    expect(sheet.get_by_role("button", name="Add ft3")).to_be_focused()
    assert sheet.bounding_box()["height"] == height
    keys.press("Enter")
    until(page, "studio.state.models[-1] == 'mine/deep <b>down/ft3'")
    expect(rows).to_contain_text("chosen")
    expect(rows.locator(":focus")).to_have_text("ft3")
    sheet.get_by_role("button", name="Open the folder above").click()
    expect(sheet.get_by_label(FOLDER)).to_have_value(str(server[1] / "mine"))
    sheet.get_by_label(FOLDER).fill("de")
    expect(sheet.locator("datalist option")).to_have_attribute("value", "deep <b>down/")
    keys.press("Escape")
    expect(popover(page, "Models").get_by_label(FOLDER)).to_have_value(str(server[1] / "mine"))  # remembered


def test_models_are_reordered_by_their_handles(page: Page):
    sheet = popover(page, "Models")
    names = "[m.rsplit('/')[-1] for m in studio.state.models]"
    assert value(page, names) == ["ft1", "ft2"]
    first, second = (sheet.get_by_role("button", name=f"Move {n}", exact=True).bounding_box() for n in ("ft1", "ft2"))
    page.mouse.move(first["x"] + 4, first["y"] + 6)
    page.mouse.down()
    page.mouse.move(second["x"] + 4, second["y"] + second["height"], steps=4)
    expect(sheet.locator("tr[data-drop='after']")).to_contain_text("ft2")
    page.mouse.up()
    until(page, f"{names} == ['ft2', 'ft1']")
    expect(sheet.locator("tr[data-drop]")).to_have_count(0)


def test_an_error_behind_a_button_is_on_screen_until_its_cause_is_gone(page: Page):
    sheet = popover(page, "Models")
    sheet.get_by_label(FOLDER).fill("/no/such/model")
    sheet.get_by_role("button", name="Open", exact=True).click()
    alert = sheet.get_by_role("alert")
    expect(alert).to_contain_text("is not a folder")
    expect(alert).to_be_in_viewport()
    sheet.get_by_role("button", name="Make ft1 the base").click()
    expect(alert).to_be_hidden()


# --- the method ---


def test_every_formula_is_typeset_offline(page: Page):
    sheet = popover(page, "Method")
    method = sheet.get_by_label("Method", exact=True)
    for name in method.locator("option").all_inner_texts():
        method.select_option(label=name)
        until(
            page,
            f"studio.state.recipe.merge_method in nbm.methods.methods() and studio.state.plan.method.title == {name!r}",
        )
        expect(sheet.locator("math mi").first).to_be_visible()
    expect(sheet.locator(".nbm-math code")).to_have_count(0)


def test_a_method_starts_with_numbers_that_do_something(page: Page):
    sheet = popover(page, "Method")
    sheet.get_by_label("Method", exact=True).select_option("DARE + TIES")
    expect(sheet.get_by_label("density of ft1", exact=True)).to_have_value("0.5")
    sheet.get_by_label("seed of the masks").fill("7")
    page.keyboard.press("Enter")
    until(page, "studio.recipe.random_seed == 7")


# --- merging ---


def test_merge_writes_a_model_and_proposes_the_next_name(page: Page, server):
    sheet = popover(page, "Merge")
    sheet.get_by_label("Output folder").fill("by-hand")
    page.keyboard.press("Tab")
    sheet.get_by_role("button", name="Merge", exact=True).click()
    expect(sheet.locator(".nbm-done")).to_contain_text("by-hand")
    assert (server[1] / "by-hand" / "model.safetensors").is_file()
    expect(sheet.get_by_label("Output folder")).to_have_value("by-hand-2")
    sheet.get_by_label("Output folder").fill("by-hand")
    page.keyboard.press("Tab")
    expect(sheet.get_by_role("button", name="Merge", exact=True)).to_be_disabled()
    sheet.get_by_role("button", name="Name it by-hand-2").click()
    expect(sheet.get_by_role("button", name="Merge", exact=True)).to_be_enabled()
    page.keyboard.press("Escape")
    expect(jobs(page)).to_contain_text("Written:")
    jobs(page).get_by_role("button", name="Dismiss").click()
    expect(jobs(page).locator(".nbm-job-idle")).to_be_visible()


def test_a_merge_is_stopped_at_once_resumed_and_discarded(page: Page, server):
    execute(page, SLOW_MERGE)
    sheet = popover(page, "Merge")
    sheet.get_by_label("Output folder").fill("stopped")
    page.keyboard.press("Tab")
    sheet.get_by_role("button", name="Merge", exact=True).click()
    page.keyboard.press("Escape")
    expect(jobs(page).get_by_role("progressbar")).to_be_visible()
    expect(jobs(page)).not_to_contain_text("left")  # nothing can be known yet
    jobs(page).get_by_role("button", name="Stop merging").click()
    expect(jobs(page)).to_contain_text("The merge was stopped", timeout=1500)
    assert not (server[1] / "stopped").exists()
    sheet = popover(page, "Merge")
    sheet.get_by_role("button", name="Resume").click()
    stop = sheet.get_by_role("button", name="Stop")
    expect(stop).to_be_visible()
    place = stop.bounding_box()
    stop.click()
    discard = sheet.get_by_role("button", name=re.compile("Discard"))
    expect(discard).to_be_visible()
    assert discard.bounding_box()["x"] > place["x"] + place["width"]  # a second press where Stop was discards nothing
    page.keyboard.press("Escape")
    jobs(page).get_by_role("button", name=re.compile("Discard")).click()
    expect(jobs(page).locator(".nbm-job-idle")).to_be_visible()
    assert not (server[1] / ".stopped.nbmerge-partial").exists()
    execute(page, "engine.merge = merge")


# --- the screen ---


@pytest.mark.parametrize("name", ["JupyterLab Light", "JupyterLab Dark"])
def test_it_fits_in_any_width_and_its_cards_stack(page: Page, name: str):
    theme(page, name)
    boxes = (
        """() => [...document.querySelectorAll('.nbm-outputs > *')].map((node) => node.getBoundingClientRect().top)"""
    )
    for width, is_stacked in ((1500, False), (1200, False), (800, True)):
        page.set_viewport_size({"width": width, "height": 1200})
        page.wait_for_function(
            f"() => {{ const [a, b] = ({boxes})(); return (b > a + 20) === {str(is_stacked).lower()}; }}"
        )
        wide = "() => { const s = document.querySelector('.nbm-studio'); return s.scrollWidth - s.clientWidth; }"
        page.wait_for_function(f"() => ({wide})() <= 1")


def test_every_control_has_a_name_and_popovers_give_the_focus_back(page: Page):
    unnamed = """() => [...document.querySelectorAll('.nbm-bench button, .nbm-bench input, .nbm-bench select')]
        .filter((node) => !(node.getAttribute('aria-label') || node.textContent.trim() || node.labels?.length))
        .map((node) => node.outerHTML)"""
    for name in ("Method", "Models", "Vocabulary", "Merge"):
        popover(page, name)
        page.wait_for_timeout(200)
        assert page.evaluate(unnamed) == []
        page.keyboard.press("Escape")
        expect(page.locator(".nbm-sheet")).to_have_count(0)
        assert page.evaluate("() => document.activeElement.closest('.nbm-bar') !== null")
    expect(status(page)).to_have_attribute("role", "status")
