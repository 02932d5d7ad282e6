"""The History panel in a real JupyterLab."""

from __future__ import annotations

import re

import pytest

pytest.importorskip("playwright.sync_api", reason="no browser tests: playwright is not installed")

from playwright.sync_api import Page, expect

from tests.browser.hands import tab
from tests.browser.labdrive import execute, until, value

pytestmark = pytest.mark.browser

STEP = "studio.state.history.current_id"


@pytest.fixture
def steps(page: Page):
    """Three steps in two branches; the rows, newest first."""
    execute(page, 'studio.state.edit(lambda r: r.with_parameter("weight", 0.5, "ft2")); studio.state.undo()')
    execute(page, 'studio.state.edit(lambda r: r.with_parameter("lambda", 0.5))')
    tab(page, "History")
    rows = page.locator(".nbm-history-list li")
    expect(rows).to_have_count(3)
    expect(rows.nth(1)).to_contain_text("weight of ft2 0.3 → 0.5")
    return rows


def test_a_click_returns_to_a_step_and_nothing_is_lost(page: Page, steps):
    steps.nth(1).locator(".nbm-history-go").click()
    until(page, f"{STEP} == 2")
    expect(steps.nth(1).locator("[aria-current=step]")).to_have_count(1)
    expect(steps).to_have_count(3)
    expect(page.locator(".nbm-history-tree circle")).to_have_count(3)
    assert steps.nth(1).locator(".nbm-history-picture path").count() >= 2


def test_keys_walk_rename_and_undo_with_one_tab_stop(page: Page, steps):
    assert page.locator(".nbm-history-list button[tabindex='0']").count() == 2  # one row and its menu
    steps.nth(0).locator(".nbm-history-go").focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("F2")
    page.keyboard.type("<i>good</i>")
    page.keyboard.press("Enter")
    until(page, "studio.state.history[2].name == '<i>good</i>'")
    expect(steps.nth(1).locator(".nbm-history-name")).to_have_text("<i>good</i>")
    page.keyboard.press("Enter")
    until(page, f"{STEP} == 2")
    page.keyboard.press("Control+z")
    until(page, f"{STEP} == 1")
    page.keyboard.press("Control+y")
    until(page, f"{STEP} == 2")


def test_two_steps_are_compared(page: Page, steps):
    steps.nth(1).get_by_role("button", name=re.compile("^Menu")).click()
    page.get_by_role("menuitem", name=re.compile("^Compare with")).click()
    expect(page.locator(".nbm-history-note")).to_have_text("Choose the step to compare with.")
    steps.nth(0).locator(".nbm-history-go").click()
    shown = page.locator(".nbm-history-comparison")
    expect(shown).to_contain_text("weight of ft2 0.5 → 0.3")
    expect(shown.locator("figure")).to_have_count(2)
    assert value(page, STEP) == 3
    shown.get_by_role("button", name="Close the comparison").click()
    expect(shown).to_be_hidden()


def test_the_merge_is_written_as_a_cell(page: Page, steps):
    cells = page.locator(".jp-Notebook .jp-CodeCell")
    before = cells.count()
    page.get_by_role("button", name="Write as a cell").click()
    expect(page.locator(".nbm-history-note")).to_have_text("Written into a new cell below.")
    expect(cells).to_have_count(before + 1)
    expect(cells.nth(before)).to_contain_text("recipe = nbm.Recipe.load")
    page.evaluate("() => window.jupyterapp.commands.execute('notebook:delete-cell')")
    expect(cells).to_have_count(before)
