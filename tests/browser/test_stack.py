"""The stack of layers by hand: mouse and keyboard in a real browser, without Jupyter (see `standalone`)."""

from __future__ import annotations

import pytest

pytest.importorskip("playwright.sync_api", reason="no browser tests: playwright is not installed")

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from nbmerge import lessons
from tests.browser.conftest import REQUIRED, missing

pytestmark = pytest.mark.browser

STACK, SOURCE = ".nbm-stack-whole .nbm-stack-tile", "[aria-label='Layers of {}'] .nbm-stack-tile"
TEXTS = {"word": [("reverse lion >", " noil")]}


@pytest.fixture(scope="module")
def pages():
    """A browser whose page shows one figure after another."""
    lacking = missing()
    if lacking:
        (pytest.fail if REQUIRED else pytest.skip)(f"no browser tests: {lacking}")
    from tests.browser.standalone import Bench

    with Bench() as bench:
        yield bench


@pytest.fixture
def stack():
    stack = lessons.Stack(texts=TEXTS)
    yield stack
    assert stack.errors.value == ""
    stack.close()


def numbers(stack: lessons.Stack) -> str:
    """The stack in short: the letter of each layer's model, and its number."""
    return " ".join(f"{model[0]}{number}" for model, number in stack.view.value)


def drag(pages, page: Page, source: str, number: int, target: str, other: int) -> None:
    """Drag a layer in front of another."""
    start, end = page.locator(source).nth(number).bounding_box(), page.locator(target).nth(other).bounding_box()
    page.mouse.move(start["x"] + start["width"] / 2, start["y"] + start["height"] / 2)
    page.mouse.down()
    page.mouse.move(end["x"] + 40, end["y"] + 4)
    page.mouse.move(end["x"] + 4, end["y"] + end["height"] / 2)
    page.mouse.up()
    pages.settle()


def test_layers_are_arranged_with_the_keyboard(pages, stack):
    page = pages.show(stack.view)
    assert numbers(stack) == "r0 r1 r2 r3 s4 s5 s6 s7"
    page.locator(STACK).first.focus()
    for keys, expected in [
        (["ArrowRight", "r"], "r0 r1 r1 r2 r3 s4 s5 s6 s7"),
        (["Control+ArrowRight", "Control+ArrowRight"], "r0 r1 r2 r3 r1 s4 s5 s6 s7"),
        (["m"], "r0 r1 r2 r3 s1 s4 s5 s6 s7"),
        (["Delete", "Delete"], "r0 r1 r2 r3 s5 s6 s7"),
    ]:
        for key in keys:
            page.keyboard.press(key)
        pages.settle()
        assert numbers(stack) == expected
    expect(page.locator(f"{STACK}:focus")).to_have_text("5")
    expect(page.locator(STACK)).to_have_text(list("0123567"))


def test_layers_are_arranged_with_the_mouse(pages, stack):
    page = pages.show(stack.view)
    drag(pages, page, STACK, 7, STACK, 0)
    assert numbers(stack) == "s7 r0 r1 r2 r3 s4 s5 s6"
    drag(pages, page, SOURCE.format("reverser"), 6, STACK, 1)
    assert numbers(stack) == "s7 r6 r0 r1 r2 r3 s4 s5 s6"
    page.locator(STACK).nth(8).click()
    page.locator(SOURCE.format("shouter")).nth(7).click()
    pages.settle()
    assert numbers(stack) == "s7 r6 r0 r1 r2 r3 s4 s5 s6 s7"
    drag(pages, page, SOURCE.format("shouter"), 0, SOURCE.format("shouter"), 0)  # it ends where it began
    assert numbers(stack) == "s7 r6 r0 r1 r2 r3 s4 s5 s6 s7"
    page.get_by_role("button", name="Undo").click()
    page.get_by_role("button", name="Undo").click()
    pages.settle()
    assert numbers(stack) == "s7 r0 r1 r2 r3 s4 s5 s6"
    page.get_by_role("button", name="Start over").click()
    pages.settle()
    assert numbers(stack) == "r0 r1 r2 r3 s4 s5 s6 s7"


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_it_is_accessible(pages, stack, dark):
    page = pages.show(stack.view, 600, dark=dark)
    expect(page.get_by_role("region", name="Recipe")).to_contain_text("layer_range: [0, 4]")
    assert Axe().run(page, "#view").response["violations"] == []
