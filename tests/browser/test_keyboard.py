"""The whole workbench by keyboard alone: nothing is clicked after the first chip has the focus."""

from __future__ import annotations

import re

import pytest

pytest.importorskip("playwright.sync_api", reason="no browser tests: playwright is not installed")

from playwright.sync_api import Page, expect

from tests.browser.labdrive import execute, until, value

pytestmark = pytest.mark.browser

MOST_STOPS = 70
"""Most tab stops of a Studio with a closed drawer."""
NAME = """() => {
    const node = document.activeElement;
    if (node.getAttribute('role') === 'dialog') return ''; // a popover before anything in it has the focus
    const label = node.labels && node.labels.length ? node.labels[0].innerText : '';
    return (node.getAttribute('aria-label') || label || node.innerText || node.title || '').trim();
}"""


def reach(page: Page, name: str, key: str = "Tab") -> None:
    """Press Tab until something of this name has the focus."""
    wanted, passed = re.compile(name), []
    for _ in range(MOST_STOPS):
        passed.append(page.evaluate(NAME))
        if wanted.search(passed[-1]):
            return
        page.keyboard.press(key)
    pytest.fail(f"{name!r} is not among {passed}")


def back(page: Page, name: str) -> None:
    reach(page, name, "Shift+Tab")


@pytest.fixture
def keys(page: Page):
    """A page whose focus is at the start of the Studio."""
    page.locator(".nbm-method-chip").focus()
    return page.keyboard


def test_models_and_method_by_keyboard(page: Page, keys):
    keys.press("Enter")
    reach(page, "^Method")
    before = value(page, "studio.recipe.merge_method")
    keys.press("ArrowDown")
    until(page, f"studio.recipe.merge_method != {before!r}")
    keys.press("Escape")
    expect(page.locator(".nbm-method-chip")).to_be_focused()
    keys.press("Control+z")
    until(page, f"studio.recipe.merge_method == {before!r}")
    reach(page, "^Add models$")
    keys.press("Enter")
    reach(page, "^Move ft2$")
    keys.press("ArrowUp")
    until(page, "[m.rsplit('/')[-1] for m in studio.state.models] == ['ft2', 'ft1']")
    expect(page.get_by_role("button", name="Move ft2", exact=True)).to_be_focused()
    reach(page, "^Remove ft1$")
    keys.press("Enter")
    until(page, "[m.rsplit('/')[-1] for m in studio.state.models] == ['ft2']")
    keys.press("Escape")
    expect(page.locator(".nbm-sheet")).to_have_count(0)


def test_curve_shapes_and_values_by_keyboard(page: Page, keys):
    reach(page, "^Shapes$")
    keys.press("Enter")
    keys.press("ArrowDown")  # from "flat" to "ramp up"
    keys.press("Enter")
    until(page, "studio.recipe.models[0].parameters['weight'].plain() == [0, 1]")
    reach(page, "^values$")
    keys.press("Control+a")
    keys.type("0.2, 0.4")
    keys.press("Enter")
    until(page, "studio.recipe.models[0].parameters['weight'].plain() == [0.2, 0.4]")
    reach(page, "^weight of ft1$")
    keys.press("Home")
    keys.press("ArrowRight")
    keys.press("PageUp")
    until(page, "studio.state.plan['model.layers.0.mlp.up_proj.weight'].values.each['weight'][1] > 0.25")
    keys.press("f")
    expect(page.locator(".nbm-inspector")).to_contain_text("model.layers.0.")
    reach(page, "^layers 0–5")
    keys.press("Delete")  # the last range stays, with words
    expect(page.locator(".nbm-error")).to_have_count(1)


def test_samples_scores_and_merging_by_keyboard(page: Page, keys, server):
    reach(page, "^Generate$")
    keys.press("Enter")
    until(page, "studio.samples.session.outputs and not studio.samples.runner.busy", seconds=60)
    reach(page, "^Pin$")
    keys.press("Enter")
    until(page, "list(studio.state.pool.pins)", seconds=60)
    reach(page, r"^\+ Score$")
    keys.press("Enter")
    for label, text in (("^Prompt", "a"), ("^Wanted", "b"), ("^Unwanted", "c")):
        reach(page, label)
        keys.type(text)
    keys.press("Enter")
    until(page, "studio.state.notes.scores.scores")
    reach(page, "^Compute$")
    keys.press("Enter")
    until(page, "studio.scores.history.records", seconds=60)
    reach(page, "^History$")
    keys.press("Enter")
    expect(page.locator(".nbm-history").last).to_be_visible()
    back(page, "^Merge ")
    keys.press("Enter")
    reach(page, "^Output folder")
    keys.press("Control+a")
    keys.type("by-keyboard")
    reach(page, "^Merge$")
    keys.press("Enter")
    until(page, "studio.merge.merging.result is not None", seconds=60)
    assert (server[1] / "by-keyboard" / "model.safetensors").is_file()


def test_painting_and_overlays_by_keyboard(page: Page, keys):
    execute(page, "studio.state.use_method('ties')")  # which has two parameters for each model
    expect(page.get_by_role("button", name="Overlay")).to_be_visible()
    reach(page, "^Overlay$")
    keys.press("Enter")
    keys.press("Enter")  # the first of the other parameters
    expect(page.locator(".nbm-others .nbm-other[stroke-dasharray='6 3']")).to_have_count(1)
    keys.press("Escape")
    reach(page, "Paint$")
    keys.press("Enter")
    expect(page.get_by_role("button", name="Paint")).to_have_attribute("aria-pressed", "true")
    reach(page, "^weight of ft1$")
    keys.press("Home")
    for _ in range(4):
        keys.press("ArrowRight")  # from the embeddings through layer 0 to layer 3
    weights = "[studio.state.plan[f'model.layers.{i}.mlp.up_proj.weight'].values.each['weight'][1] for i in range(6)]"
    until(page, f"len(set({weights}[:4])) == 1")
    assert value(page, f"{weights}[4:]") == [0.8, 1.0]
    keys.press("Control+z")
    until(page, f"len(set({weights}[:4])) > 1")


def test_the_drawer_by_keyboard(page: Page, keys):
    page.locator(".nbm-drawer-tabs [data-tab='Recipe']").focus()
    reach(page, "^Figure$")
    keys.press("Enter")
    expect(page.locator(".nbm-panel.nbm-figure")).to_be_visible()
    reach(page, "^Theme$")
    keys.press("ArrowDown")
    until(page, "studio.figure_panel.theme != 'auto'", seconds=30)
    back(page, "^Compare$")
    keys.press("Enter")
    expect(page.get_by_label("Second model")).to_be_visible()
    execute(page, 'studio.state.prompts = "ab"')
    reach(page, "^Second model$")
    keys.type("base")
    reach(page, "^Start$")
    keys.press("Enter")
    until(page, "studio.state.notes.blind_test is not None", seconds=60)
    reach(page, "^Left is better$")
    keys.press("Enter")
    until(page, "studio.state.notes.blind_test.next is None")
    back(page, "^Sweep$")
    keys.press("Enter")
    expect(page.locator(".nbm-panel.nbm-sweep .nbm-count")).to_be_visible()
    reach(page, "^points$")
    keys.press("Control+a")
    keys.type("3")
    reach(page, "^Score the path$")
    keys.press("Enter")
    until(page, "studio.sweep.view.content.get('path')", seconds=90)
