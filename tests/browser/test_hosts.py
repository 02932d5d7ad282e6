"""The Studio outside of JupyterLab: in Notebook 7 and in Voilà, which the same server serves."""

from __future__ import annotations

import re

import pytest

pytest.importorskip("playwright.sync_api", reason="no browser tests: playwright is not installed")

from playwright.sync_api import Page, expect

from tests.browser.conftest import STUDIO, write_notebook
from tests.browser.hands import knot, undo
from tests.browser.labdrive import PATIENCE, browser, drag, open_notebook, run_all

pytestmark = pytest.mark.browser

OWN_ERRORS = {
    # Of its own settings, and of a command that only JupyterLab has, before the notebook opens.
    "notebook": ("reading 'schema'", "'filebrowser:open-path' not registered"),
    # Its page loads fonts from the internet, and it loads extensions of JupyterLab that expect JupyterLab.
    "voila": ("ERR_NAME_NOT_RESOLVED", "#RUNTIME-012"),
}
"""Errors that these applications also have with a notebook without widgets."""


@pytest.mark.parametrize("application", OWN_ERRORS)
def test_it_paints_and_a_dragged_knot_changes_the_recipe(server, application: str):
    pytest.importorskip(application, reason=f"{application} is not installed")
    url, root = server
    write_notebook(root / "hosted.ipynb", [STUDIO])
    with browser() as page:
        if application == "notebook":
            open_notebook(page, url, "hosted.ipynb", "notebooks")
            run_all(page)
        else:
            page.goto(f"{url}/voila/render/hosted.ipynb", wait_until="domcontentloaded")
        expect(knot(page, 2)).to_be_visible(timeout=PATIENCE)
        move_a_knot(page)
        wide = "() => { const s = document.querySelector('.nbm-studio'); return s.scrollWidth - s.clientWidth; }"
        assert page.evaluate(wide) <= 1
        own = OWN_ERRORS[application]
        assert [error for error in page.errors if not any(part in error for part in own)] == []


def move_a_knot(page: Page) -> None:
    summary = page.locator(".nbm-drawer-summary")
    expect(summary).to_contain_text("ft1 weight [0, 0.5, 1]")
    drag(page, knot(page, 1), 40)
    expect(summary).to_contain_text(re.compile(r"ft1 weight \[0, 0\.[6-9]\d*, 1\]"))
    undo(page)
    expect(summary).to_contain_text("ft1 weight [0, 0.5, 1]")
