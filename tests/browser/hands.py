"""What tests do by hand in a Studio: go to a tab, press a button, take a slider or a point."""

from __future__ import annotations

import re

from playwright.sync_api import Locator, Page


def tab(page: Page, name: str) -> None:
    page.locator(".nbm-tabs").get_by_role("tab", name=name, exact=True).click()


def press(page: Page, panel: str, name: str) -> None:
    page.locator(f".nbm-{panel} button").filter(has_text=re.compile(rf"^\s*{name}$")).click()


def slider(page: Page, slot: int) -> Locator:
    return page.locator(".nbm-tracks .nbm-slider .nbm-handle").nth(slot)


def knot(page: Page, number: int) -> Locator:
    return page.locator(".nbm-tracks .nbm-row-curve .nbm-knot circle.nbm-point").nth(number)


def curve(page: Page) -> Locator:
    """What has the focus of the curve: one tab stop."""
    return page.locator(".nbm-tracks .nbm-curve-focus")


def editor(page: Page) -> Locator:
    return page.locator(".nbm-recipe").get_by_role("textbox", name="Recipe")


def undo(page: Page) -> None:
    page.locator(".nbm-studio button[title=Undo]").first.click()


def write_recipe(page: Page, text: str) -> None:
    """Put a text into the editor, in place of what is there."""
    editor(page).click()
    page.keyboard.press("Control+a")
    page.keyboard.insert_text(text)
    page.keyboard.press("Escape")
