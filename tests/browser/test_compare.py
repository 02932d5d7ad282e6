"""Blind tests and grids of samples in a real JupyterLab."""

from __future__ import annotations

import re

import pytest

pytest.importorskip("playwright.sync_api", reason="no browser tests: playwright is not installed")

from playwright.sync_api import Page, expect

from tests.browser.hands import tab
from tests.browser.labdrive import execute, until, value

pytestmark = pytest.mark.browser

SLOW = 60_000


def test_a_blind_test_shows_texts_without_names_until_votes_are_in(page: Page):
    execute(page, 'studio.state.prompts = "ab\\ncd"')
    execute(page, 'studio.state.edit(lambda r: r.with_parameter("weight", 60, "ft1"))')
    tab(page, "Compare")
    panel = page.locator(".nbm-panel.nbm-compare")
    panel.get_by_label("Second model").select_option("base")
    panel.get_by_role("button", name="Start").click()
    until(page, "studio.state.notes.blind_test is not None", seconds=60)
    open_pairs = value(page, "studio.state.notes.blind_test.result.open")
    for _ in range(open_pairs):
        expect(panel.get_by_text(re.compile(r"^Pair \d of 2"))).to_be_visible()
        panel.get_by_role("button", name="Left is better").click()
    expect(panel.get_by_text("All pairs have votes.")).to_be_visible()
    expect(panel.get_by_text(re.compile("the merge now .*base .*ties"))).to_be_visible()
    panel.get_by_role("button", name="End this test").click()
    until(page, "studio.state.notes.blind_test is None")


def test_a_grid_fills_and_a_cell_becomes_the_recipe(page: Page):
    tab(page, "Compare")
    panel = page.locator(".nbm-panel.nbm-compare")
    panel.get_by_label("Parameter of the columns").select_option("weight of ft1")
    panel.get_by_label("Parameter of the rows").select_option("lambda")
    panel.get_by_label("Parameter of the rows").select_option("no second parameter")
    panel.get_by_label("Values of the columns").fill("0, 0.875")
    panel.get_by_label("Prompt").fill("ab")
    panel.get_by_role("button", name="Sample the grid").click()
    cells = panel.locator("td button")
    expect(cells).to_have_count(2, timeout=SLOW)
    cells.nth(1).click()
    until(page, "'0.875' in studio.state.text")
