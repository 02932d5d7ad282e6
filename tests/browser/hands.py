"""What tests do by hand in a Studio: open a popover or a tab of the drawer, press a button, take a slider or a knot."""

from __future__ import annotations

import re

from playwright.sync_api import Locator, Page, expect

CHIPS = {
    "Method": ".nbm-method-chip", "Models": ".nbm-bar button[title='Add models']", "Vocabulary": ".nbm-facts",
    "Merge": ".nbm-merge-chip",
}  # fmt: skip


def popover(page: Page, name: str) -> Locator:
    """Open a popover of the setup bar."""
    page.locator(f".nbm-studio {CHIPS[name]}").click()
    sheet = page.locator(".nbm-sheet")
    expect(sheet).to_be_visible()
    return sheet


def tab(page: Page, name: str) -> Locator:
    """Open a tab of the drawer, if it is not open."""
    button = page.locator(f".nbm-drawer-tabs [data-tab='{name}']")
    if button.get_attribute("aria-expanded") != "true":
        button.click()
    panel = page.locator(f".nbm-studio .nbm-panel.nbm-{name.lower()}")
    expect(panel).to_be_visible()
    return panel


def press(page: Page, panel: str, name: str) -> None:
    page.locator(f".nbm-{panel} button").filter(has_text=re.compile(rf"^\s*{name}$")).click()


def undo(page: Page) -> None:
    page.locator(".nbm-bar").get_by_role("button", name="Undo").click()


def status(page: Page) -> Locator:
    """The line that says how the recipe stands."""
    return page.locator(".nbm-status-line")


def slider(page: Page, slot: int) -> Locator:
    return page.locator(".nbm-tracks .nbm-slider .nbm-handle").nth(slot)


def knot(page: Page, number: int) -> Locator:
    return page.locator(".nbm-tracks .nbm-row-curve .nbm-knot circle.nbm-point").nth(number)


def wait_for_answer(page: Page, since: float) -> None:
    """Until the tracks show the kernel's answer to what was done after a time of the browser's clock, in milliseconds."""
    answered = "(since) => Number(document.querySelector('.nbm-view.nbm-tracks').dataset.answers) >= since"
    page.wait_for_function(answered, arg=since)


def curve(page: Page) -> Locator:
    """What has the focus of the curve: one tab stop."""
    return page.locator(".nbm-tracks .nbm-curve-focus")


def editor(page: Page) -> Locator:
    return page.locator(".nbm-recipe").get_by_role("textbox", name="Recipe")


def write_recipe(page: Page, text: str) -> None:
    """Put a text into the editor, in place of what is there."""
    tab(page, "Recipe")
    editor(page).click()
    page.keyboard.press("Control+a")
    page.keyboard.insert_text(text)
    page.keyboard.press("Escape")
