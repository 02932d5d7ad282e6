"""The Figure panel in a real JupyterLab: it follows the hand, and its files and code are what is seen."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("playwright.sync_api", reason="no browser tests: playwright is not installed")

from playwright.sync_api import Locator, Page, expect

from tests.browser.hands import slider, tab
from tests.browser.labdrive import drag, until

pytestmark = pytest.mark.browser


@pytest.fixture
def panel(page: Page) -> Locator:
    tab(page, "Figure")
    panel = page.locator(".nbm-panel.nbm-figure")
    until(page, "studio.figure_panel.view.content.get('width')", seconds=30)
    expect(panel.locator("img")).to_be_visible()
    return panel


def test_the_figure_follows_a_drag(page: Page, panel: Locator):
    picture = panel.locator("img")
    before = picture.get_attribute("src")
    drag(page, slider(page, 3), 60)
    expect(picture).not_to_have_attribute("src", before)
    page.wait_for_function("image => image.complete && image.naturalWidth === 960", arg=picture.element_handle())
    assert picture.get_attribute("alt") == "Gradients of Task arithmetic of base, ft1, ft2"
    panel.get_by_label("Theme").select_option("Dark")
    until(page, "studio.figure_panel.theme == 'dark'")


@pytest.mark.parametrize(("name", "head"), [("PNG", b"\x89PNG"), ("PDF", b"%PDF"), ("SVG", b"<?xml")])
def test_files_are_downloaded(page: Page, panel: Locator, name: str, head: bytes):
    with page.expect_download(timeout=30_000) as download:
        panel.get_by_role("button", name=name, exact=True).click()
    assert download.value.suggested_filename == f"task_arithmetic-gradients.{name.lower()}"
    assert Path(download.value.path()).read_bytes().startswith(head)
    expect(panel.get_by_role("status")).to_contain_text("was downloaded")


def test_a_page_is_downloaded_that_works_without_the_kernel(page: Page, tmp_path: Path):
    """Its models are measured first; then its curves move in a window of its own."""
    with page.expect_download(timeout=60_000) as download:
        page.locator(".nbm-tracks .nbm-row-tools").get_by_role("button", name="Figure").click()
        page.get_by_role("menuitem", name="Download page").click()
    assert download.value.suggested_filename == "task_arithmetic.html"
    expect(page.locator(".nbm-moved-line").first).to_be_visible()  # what was measured is there for the Studio too
    file = tmp_path / "page.html"
    download.value.save_as(file)
    context = page.context.browser.new_context(offline=True)
    try:
        window = context.new_page()
        errors = []
        window.on("console", lambda message: errors.append(message.text))
        window.goto(file.as_uri())
        window.get_by_label("values").fill("0.2, 0.8")
        window.get_by_label("values").press("Enter")
        expect(window.locator(".nbm-yaml")).to_contain_text("weight: [0.2, 0.8]")
        expect(window.locator(".nbm-moved-tools")).to_contain_text("Exact")
        assert errors == []
    finally:
        context.close()


def test_the_code_becomes_a_cell(page: Page, panel: Locator):
    cells = page.locator(".jp-Notebook .jp-CodeCell")
    panel.get_by_role("button", name="Cell", exact=True).click()
    expect(panel.get_by_role("status")).to_have_text("Written into a new cell below.")
    expect(cells).to_have_count(2)
    expect(cells.nth(1)).to_contain_text("figure = plan.plot(theme='auto')")
    page.evaluate("() => window.jupyterapp.commands.execute('notebook:delete-cell')")
    expect(cells).to_have_count(1)
