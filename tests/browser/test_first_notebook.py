"""The first notebook as its reader meets it: opened in JupyterLab, run from the top, the Studio alive."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

pytest.importorskip("playwright.sync_api", reason="no browser tests: playwright is not installed")

from playwright.sync_api import expect

from tests.browser.hands import curve
from tests.browser.labdrive import PATIENCE, browser, open_notebook, run_all, until

pytestmark = [pytest.mark.browser, pytest.mark.slow]

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
NOTEBOOK = NOTEBOOKS / "01-first-merge.ipynb"
LESSON = NOTEBOOKS / "13-your-own-panel.ipynb"


def test_the_first_notebook_runs_and_its_studio_works(server):
    url, root = server
    shutil.copy(NOTEBOOK, root / NOTEBOOK.name)
    with browser() as page:
        open_notebook(page, url, NOTEBOOK.name)
        run_all(page)
        studio = page.locator(".nbm-studio")
        expect(studio.locator(".nbm-status-line")).to_contain_text("Ready")
        curve(page).focus()
        page.keyboard.press("ArrowUp")
        until(page, "studio.state.can_undo")
        studio.get_by_role("button", name="Generate").click()
        now = studio.locator(".nbm-says td[data-kind=merge] p")
        expect(now.first).not_to_be_empty(timeout=PATIENCE)
        until(page, "not studio.samples.runner.busy", seconds=60)
        assert page.errors == []


def test_the_panel_of_the_lesson_follows_its_sliders(server):
    url, root = server
    shutil.copy(LESSON, root / LESSON.name)
    with browser() as page:
        open_notebook(page, url, LESSON.name)
        run_all(page)
        picture = page.locator(".jupyter-widgets.widget-image").first
        before = picture.get_attribute("src")
        page.locator(".noUi-handle").first.focus()
        page.keyboard.press("ArrowUp")
        until(page, "panel.sliders[0].value == 0.51")
        expect(picture).not_to_have_attribute("src", before)
        assert page.errors == []
