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


def samples(page: Page, prompts: tuple[str, ...] = ("the cat", "once upon"), tokens: int = 5) -> Locator:
    """The panel, with these prompts and this number of new tokens."""
    panel = page.locator(".nbm-samples")
    for number, prompt in enumerate(prompts, 1):
        panel.get_by_role("textbox", name=f"Prompt {number}").fill(prompt)
        page.keyboard.press("Enter")
    panel.get_by_role("button", name="Settings").click()
    page.get_by_label("New tokens").fill(str(tokens))
    page.keyboard.press("Enter")
    page.keyboard.press("Escape")
    until(page, f"studio.samples.length == {tokens} and studio.state.prompts == {chr(10).join(prompts)!r}")
    return panel


def setting(page: Page, name: str, choice: str) -> None:
    page.locator(".nbm-samples").get_by_role("button", name="Settings").click()
    page.get_by_label(name).select_option(choice)
    page.keyboard.press("Escape")


def quiet(page: Page) -> None:
    until(page, "not studio.samples.runner.busy and not studio.scores.runner.busy", seconds=60)


def cells(page: Page, kind: str) -> Locator:
    return page.locator(f".nbm-says td[data-kind={kind}]")


def test_samples_stand_side_by_side(page: Page):
    panel = samples(page)
    expect(panel).to_contain_text(re.compile(r"Sampling needs .* of memory .* are free"))
    press(page, "samples", "Generate")
    expect(panel.get_by_role("columnheader")).to_have_text(
        [re.compile("^Prompt"), *(re.compile(f"^{name}") for name in ("Now", "base", "ft1", "ft2"))], timeout=60_000
    )
    quiet(page)
    expect(panel.locator("[data-status]")).to_have_count(0)
    expect(panel.get_by_role("columnheader", name="Now")).to_contain_text(re.compile("live merge|virtual merge"))
    assert all(cells(page, "parent").locator("p").all_inner_texts())
    drag(page, knot(page, 1), 60)
    expect(panel.get_by_role("status")).to_contain_text("Out of date")
    expect(panel.get_by_role("columnheader", name="Now")).to_contain_text("earlier recipe")


def test_prompts_are_added_and_removed(page: Page):
    panel = samples(page)
    panel.get_by_role("button", name="+ Prompt").click()
    expect(panel.get_by_role("textbox", name="Prompt 3")).to_be_focused()
    page.keyboard.type("<b>bold")
    page.keyboard.press("Enter")
    until(page, "studio.state.prompts.endswith('<b>bold')")
    expect(panel.get_by_role("textbox", name="Prompt 3")).to_have_value("<b>bold")
    panel.get_by_role("button", name="Remove prompt 1").click()
    expect(panel.get_by_role("textbox", name=re.compile("^Prompt"))).to_have_count(2)
    expect(panel.get_by_role("textbox", name="Prompt 1")).to_have_value("once upon")


def test_the_merge_follows_the_sliders_and_marks_what_changed(page: Page):
    panel = samples(page, tokens=12)
    panel.get_by_label("Parents").uncheck()
    panel.get_by_label("Follow the sliders").check()
    now = cells(page, "merge")
    expect(now.first).to_have_attribute("data-tokens", re.compile("[1-9]"), timeout=60_000)
    quiet(page)
    head = panel.get_by_role("columnheader", name="Now")
    first = head.get_attribute("data-recipe")
    for slot in (2, 3, 4, 5):
        drag(page, slider(page, slot), 20)
    until(page, "studio.samples.session.outputs['the merge'].fingerprint == studio.recipe.fingerprint")
    quiet(page)
    expect(head).not_to_have_attribute("data-recipe", first)
    expect(now.locator("small").first).to_have_text(re.compile("tokens changed|no change"))
    expect(panel.get_by_role("status")).not_to_contain_text("Out of date")
    if now.locator("mark").count():  # a line below, not only a colour
        style = "(node) => getComputedStyle(node).textDecorationLine"
        assert now.locator("mark").first.evaluate(style) == "underline"


def test_what_is_being_generated_is_stopped(page: Page):
    samples(page, tokens=40)
    execute(page, SLOW)
    press(page, "samples", "Generate")
    expect(cells(page, "merge").first).to_have_attribute("data-tokens", re.compile("[1-9]"), timeout=60_000)
    press(page, "samples", "Stop")
    expect(cells(page, "merge").first).to_contain_text("(stopped)")
    quiet(page)
    assert value(page, "len(studio.samples.session.outputs['the merge'].continuations[0].pieces)") < 40


def test_a_merge_is_pinned_and_sampled_beside_a_later_one(page: Page):
    panel = samples(page)
    press(page, "samples", "Pin")
    pin = panel.get_by_role("button", name="Pinned A")
    expect(pin).to_be_visible(timeout=60_000)
    quiet(page)
    said = cells(page, "pin").locator("p").all_inner_texts()
    before = value(page, "studio.recipe.fingerprint")
    drag(page, slider(page, 3), 20)
    press(page, "samples", "Generate")
    quiet(page)
    assert cells(page, "pin").locator("p").all_inner_texts() == said
    setting(page, "Mark changes from", "A")
    expect(cells(page, "merge").locator("small").first).to_have_text(re.compile("tokens changed|no change"))
    pin.click()
    page.get_by_role("menuitem", name="Return to this recipe").click()
    until(page, f"studio.recipe.fingerprint == {before!r} and studio.state.can_undo")
    pin.click()
    page.get_by_role("menuitem", name="Unpin").click()
    expect(cells(page, "pin")).to_have_count(0)


def test_what_does_not_fit_is_refused_with_ways_out(page: Page):
    expect(page.locator(".nbm-samples")).to_contain_text("are free")
    quiet(page)
    # What was forecast less than a second ago would be shown again.
    forget = "studio.state.pool._forecast = None"
    execute(page, f"import nbmerge.engine.cost.live_forecast as m; m.available_memory = lambda: 10_000; {forget}")
    panel = samples(page)
    drag(page, slider(page, 3), 10)
    expect(panel.locator("[role=alert]").first).to_contain_text("It does not fit. Instead:")
    expect(panel.locator("[role=alert] li").first).to_contain_text("leave out the parents")
    setting(page, "Run the merge as", "live merge")
    press(page, "samples", "Generate")
    expect(panel.locator(".nbm-errors")).to_contain_text("Instead:")
    execute(page, "import importlib; importlib.reload(m)")


def test_scores_follow_the_sliders_and_their_points_lead_back(page: Page):
    panel = page.locator(".nbm-scores")
    panel.get_by_role("button", name="+ Score").click()
    page.get_by_label("Prompt", exact=True).fill("the c")
    page.get_by_label("Wanted", exact=True).fill("at")
    page.get_by_role("button", name="Add", exact=True).click()
    rows = panel.locator(".nbm-score")
    expect(rows).to_contain_text("not computed yet")
    panel.get_by_role("button", name="+ Score").click()
    page.locator(".nbm-scores-form select").first.select_option("perplexity of a text")
    page.get_by_label("Text", exact=True).fill("the cat sat")
    page.keyboard.press("Enter")
    execute(page, "studio.scores.add('<mine>', lambda model: model.model.num_parameters())")
    panel.get_by_label("Follow the sliders").check()
    expect(rows.locator("strong").last).not_to_be_empty(timeout=60_000)
    quiet(page)
    expect(rows).to_have_count(3)
    expect(rows.last).to_contain_text("<mine>")
    first = value(page, "studio.recipe.fingerprint")
    drag(page, slider(page, 3), 20)
    until(page, "studio.scores.history.latest.fingerprint == studio.recipe.fingerprint", seconds=60)
    quiet(page)
    points = rows.nth(1).get_by_role("button", name=re.compile("return to step"))
    assert points.count() >= 2
    points.first.click()
    until(page, f"studio.recipe.fingerprint == {first!r}")
    quiet(page)
    rows.first.get_by_role("button", name=re.compile("^More about")).click()
    page.get_by_role("menuitem", name="Return to the best").click()
    until(page, "studio.scores.history.best('the cat').fingerprint == studio.recipe.fingerprint")
