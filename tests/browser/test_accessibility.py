"""The Studio without a mouse, and for those who do not see it: axe-core, tab stops and live regions."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("playwright.sync_api", reason="no browser tests: playwright is not installed")

from playwright.sync_api import Page, expect

from tests.browser.hands import CHIPS, popover, status, tab
from tests.browser.labdrive import execute, theme, until
from tests.browser.screenshot import OPEN
from tests.models import make_family, make_model

pytestmark = pytest.mark.browser

RUN_AXE = """async () => {
    const { violations } = await axe.run(document.querySelector('.nbm-studio'), { resultTypes: ['violations'] });
    return violations.filter(({ impact }) => impact === 'serious' || impact === 'critical')
        .map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html).slice(0, 3).join(' ')}`);
}"""


@pytest.fixture
def axe() -> str:
    """The script of axe-core."""
    package = pytest.importorskip("axe_playwright_python", reason="axe-playwright-python is not installed")
    return (Path(package.__file__).parent / "axe.min.js").read_text(encoding="utf-8")


def open_one_after_another(page: Page) -> Iterator[str]:
    """Everything that opens in a Studio."""
    for name in CHIPS:
        popover(page, name)
        yield name
        page.keyboard.press("Escape")
    for name in ("Save", "Shapes", "Figure"):
        page.locator(".nbm-studio .nbm-menu-button").filter(has_text=re.compile(f"^{name}")).first.click()
        expect(page.get_by_role("menuitem").first).to_be_visible()
        yield name
        page.keyboard.press("Escape")
    for name in page.locator(".nbm-drawer-tabs button").all_inner_texts():
        tab(page, name)
        yield name


@pytest.mark.parametrize("layers", [8, 80])
def test_axe_finds_nothing_serious_in_either_theme(page: Page, server, axe: str, layers: int):
    make_family(server[1] / f"family{layers}", layers=layers)
    execute(page, OPEN.format(name=f"family{layers}"))
    page.get_by_role("button", name="Measure the models").click()
    expect(page.locator(".nbm-moved-line").first).to_be_visible(timeout=30_000)
    execute(page, "studio.samples.length = 2")
    page.get_by_role("button", name="Generate").click()
    until(page, "not studio.samples.runner.busy", seconds=120)
    page.evaluate(axe)
    for name in ("JupyterLab Light", "JupyterLab Dark"):
        theme(page, name)
        page.mouse.move(0, 0)
        for what in open_one_after_another(page):
            assert page.evaluate(RUN_AXE) == [], f"{what}, {layers} layers, {name}"


def test_axe_finds_nothing_serious_while_there_are_problems(page: Page, server, axe: str):
    make_model(server[1] / "other-hidden", layers=6, hidden=32)
    execute(page, "studio.models.state.add_model('other-hidden')")
    expect(page.locator(".nbm-problem")).to_have_count(1)
    page.evaluate(axe)
    for name in ("JupyterLab Light", "JupyterLab Dark"):
        theme(page, name)
        assert page.evaluate(RUN_AXE) == []


def test_few_tab_stops_lead_through_the_whole_studio(page: Page, server):
    make_family(server[1] / "family80", layers=80)
    execute(page, OPEN.format(name="family80"))
    expect(page.locator(".nbm-facts")).to_contain_text("80 layers")
    page.locator(".nbm-method-chip").focus()
    stops = 0
    while page.evaluate("() => document.activeElement.closest('.nbm-studio') !== null"):
        stops += 1
        assert stops <= 60
        page.keyboard.press("Tab")
    assert stops > 20  # the walk did not leave at once


def test_what_happens_is_announced(page: Page):
    expect(status(page)).to_have_attribute("aria-live", "polite")
    regions = page.locator(".nbm-studio [aria-live]")
    assert regions.count() >= 3  # the recipe, the curve, running work
    chip = page.locator(".nbm-method-chip")
    expect(chip).to_have_attribute("aria-expanded", "false")
    chip.focus()
    page.keyboard.press("Enter")
    expect(chip).to_have_attribute("aria-expanded", "true")
    page.keyboard.press("Escape")
    expect(chip).to_be_focused()


def test_nothing_moves_by_itself_where_motion_is_reduced(page: Page):
    moving = """() => [...document.querySelectorAll('.nbm-studio *')].filter((node) => {
        const { transitionDuration, animationName } = getComputedStyle(node);
        return animationName !== 'none' || transitionDuration.split(', ').some((time) => parseFloat(time) > 0);
    }).map((node) => node.outerHTML.slice(0, 100))"""
    assert page.evaluate("() => matchMedia('(prefers-reduced-motion: reduce)').matches")
    assert [node for node in page.evaluate(moving) if "nbm-" in node] == []
