"""Samples and scores while the sliders move, in a real JupyterLab."""

from __future__ import annotations

import re

import pytest

pytest.importorskip("playwright.sync_api", reason="no browser tests: playwright is not installed")

from playwright.sync_api import Locator, Page, expect

from tests.browser.hands import knot, press, slider
from tests.browser.labdrive import drag, execute, until, value

pytestmark = pytest.mark.browser

SLOW = """
import time
def slowly(output, on_change=studio.samples.session.on_change):
    on_change(output)
    time.sleep(0.05)
studio.samples.session.on_change = slowly
"""


def samples(page: Page, prompts: str = "the cat\nonce upon", tokens: int = 5) -> Locator:
    panel = page.locator(".nbm-samples")
    panel.locator("textarea").fill(prompts)
    panel.get_by_label("Tokens").fill(str(tokens))
    page.keyboard.press("Tab")
    until(page, f"studio.samples.length.value == {tokens} and studio.samples.prompts.value == {prompts!r}")
    return panel


def quiet(page: Page) -> None:
    until(page, "not studio.samples.runner.busy and not studio.scores.runner.busy", seconds=60)


def test_samples_stand_side_by_side(page: Page):
    panel = samples(page)
    expect(panel).to_contain_text(re.compile(r"Sampling needs .* of memory .* are free"))
    press(page, "samples", "Generate")
    cards = page.locator(".nbm-card")
    expect(cards).to_have_count(4, timeout=60_000)
    expect(cards.first).to_contain_text("the merge")
    expect(cards.first.locator(".nbm-who")).to_contain_text(re.compile("live merge|virtual merge"), timeout=60_000)
    quiet(page)
    expect(page.locator(".nbm-waiting")).to_have_count(0)
    drag(page, knot(page, 1), 60)
    expect(panel).to_contain_text("Out of date")


def test_the_merge_follows_the_sliders_and_marks_what_changed(page: Page):
    panel = samples(page, tokens=12)
    panel.get_by_label("Include the parents").uncheck()
    panel.get_by_label("Follow the sliders").check()
    merge = page.locator(".nbm-merged section")
    expect(merge).to_have_attribute("data-tokens", re.compile("[1-9]"), timeout=60_000)
    quiet(page)
    first = merge.get_attribute("data-of")
    for slot in (2, 3, 4, 5):
        drag(page, slider(page, slot), 40)
    until(page, "studio.samples.session.outputs['the merge'].fingerprint == studio.recipe.fingerprint")
    quiet(page)
    expect(merge).not_to_have_attribute("data-of", first)
    expect(merge.locator("small")).to_have_count(2)
    expect(merge.locator("small").first).to_have_text(re.compile("tokens changed|no change"))
    expect(panel).not_to_contain_text("Out of date")
    if merge.locator("mark").count():  # a line below, not only a colour
        style = "(node) => getComputedStyle(node).textDecorationLine"
        assert merge.locator("mark").first.evaluate(style) == "underline"


def test_what_is_being_said_is_stopped(page: Page):
    samples(page, tokens=40)
    execute(page, SLOW)
    press(page, "samples", "Generate")
    expect(page.locator(".nbm-merged section")).to_have_attribute("data-tokens", re.compile("[1-9]"), timeout=60_000)
    press(page, "samples", "Stop")
    expect(page.locator(".nbm-merged")).to_contain_text("(stopped)")
    quiet(page)
    assert value(page, "len(studio.samples.session.outputs['the merge'].continuations[0].pieces)") < 40


def test_a_merge_is_pinned_and_heard_beside_a_later_one(page: Page):
    panel = samples(page)
    press(page, "samples", "Pin")
    pinned = page.locator(".nbm-pinned")
    expect(pinned).to_contain_text("pinned A", timeout=60_000)
    quiet(page)
    said = pinned.locator("b").all_inner_texts()
    before = value(page, "studio.recipe.fingerprint")
    drag(page, slider(page, 3), 50)
    press(page, "samples", "Generate")
    quiet(page)
    assert pinned.locator("b").all_inner_texts() == said
    panel.get_by_label("Mark changes from").select_option("pinned A")
    expect(page.locator(".nbm-merged small")).to_have_count(2)
    press(page, "samples", "Restore recipe of A")
    until(page, f"studio.recipe.fingerprint == {before!r} and studio.state.can_undo")
    panel.get_by_title("Unpin A").click()
    expect(pinned).to_have_count(0)


def test_what_does_not_fit_is_refused_with_ways_out(page: Page):
    execute(page, "import nbmerge.engine.cost.live_forecast as m; m.available_memory = lambda: 10_000")
    panel = samples(page)
    drag(page, slider(page, 3), 30)
    expect(panel.locator("[role=alert]").first).to_contain_text("It does not fit. Instead:")
    expect(panel.locator("[role=alert] li").first).to_contain_text("leave out the parents")
    panel.get_by_label("Run the merge as").select_option("live merge")
    press(page, "samples", "Generate")
    expect(panel.locator(".nbm-errors")).to_contain_text("Instead:")
    execute(page, "import importlib; importlib.reload(m)")


def test_scores_stand_beside_the_curve_and_follow_it(page: Page):
    panel = page.locator(".nbm-scores")
    panel.get_by_label("Prompt").fill("the c")
    panel.get_by_label("wanted", exact=True).fill("at")
    press(page, "scores", "Add")
    expect(panel.locator(".nbm-score")).to_contain_text("not computed yet")
    panel.get_by_label("Add").select_option("perplexity of a text")
    panel.get_by_label("Text").fill("the cat sat")
    press(page, "scores", "Add")
    execute(page, "studio.scores.add('<mine>', lambda model: model.model.num_parameters())")
    panel.get_by_label("Follow the sliders").check()
    beside = panel.locator(".nbm-score")
    expect(beside).to_have_count(3, timeout=60_000)
    quiet(page)
    expect(beside.last).to_contain_text("<mine>")
    drag(page, slider(page, 3), 40)
    until(page, "studio.scores.history.latest.fingerprint == studio.recipe.fingerprint", seconds=60)
    quiet(page)
    expect(beside.first.get_by_role("img", name=re.compile("the cat: [2-9] values"))).to_be_visible()
    press(page, "scores", "Restore best recipe")
    until(page, "studio.scores.history.best(studio.scores.which.value).fingerprint == studio.recipe.fingerprint")
