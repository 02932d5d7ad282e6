"""The recipe's editor in a real browser: completion, errors at their lines, and a text that is kept until it is applied."""

from __future__ import annotations

import pytest

pytest.importorskip("playwright.sync_api", reason="no browser tests: playwright is not installed")

from playwright.sync_api import expect

from nbmerge.widgets import RecipePanel
from tests.browser.standalone import page_of, settle
from tests.models import make_family

pytestmark = pytest.mark.browser


@pytest.fixture
def panel(tmp_path):
    family = make_family(tmp_path)
    models = [
        {"model": str(family.ft1), "parameters": {"weight": [0, 0.5, 1]}},
        {"model": str(family.ft2), "parameters": {"weight": 0.3}},
    ]
    return RecipePanel({"merge_method": "task_arithmetic", "base_model": str(family.base), "models": models})


@pytest.fixture
def page(panel):
    with page_of(panel.view) as page:
        yield page


def code(page):
    return page.get_by_role("textbox", name="Recipe")


def test_writing_with_the_keyboard_alone(page, panel):
    code(page).click()
    page.keyboard.press("Control+End")
    page.keyboard.type("\nparam")
    options = page.get_by_role("listbox").get_by_role("option")
    expect(options.first).to_contain_text("parameters")
    page.wait_for_timeout(100)  # a choice is not taken in the first moment, when a key may have been meant for the text
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    page.keyboard.type("lam")
    expect(options.first).to_contain_text("lambda")
    page.wait_for_timeout(100)
    page.keyboard.press("Enter")
    page.keyboard.type("0.5")
    expect(page.get_by_role("status")).to_have_text("Edited, not applied yet.")
    page.keyboard.press("Control+Enter")
    settle(page)
    assert panel.recipe.parameters["lambda"].plain() == 0.5
    expect(page.get_by_role("button", name="Apply")).to_be_disabled()
    page.keyboard.press("Escape")  # closes the list that may be about to open
    page.keyboard.press("Escape")
    page.keyboard.press("Tab")
    assert not code(page).evaluate("node => node.contains(document.activeElement)")


def test_methods_are_offered_with_their_titles(page):
    code(page).get_by_text("task_arithmetic").dblclick()
    page.keyboard.type("ti")
    option = page.get_by_role("option").filter(has_text="ties")
    expect(option.first).to_contain_text("TIES")


def test_all_errors_stand_at_their_lines(page, panel):
    code(page).click()
    page.keyboard.press("Control+End")
    page.keyboard.type("\ndtype: float7\nmodelz: <b>")
    page.keyboard.press("Escape")
    expect(page.locator(".cm-lint-marker-error")).to_have_count(2)
    expect(page.locator(".cm-lintRange-error")).to_have_count(2)
    expect(page.get_by_role("list", name="Problems").get_by_role("button")).to_have_count(2)
    page.keyboard.press("Control+Enter")
    expect(page.get_by_role("status")).to_contain_text("Not applied")
    page.get_by_role("button", name="modelz").click()
    assert "modelz" in page.locator(".cm-activeLine").inner_text()
    page.get_by_role("button", name="Revert").click()
    settle(page)
    assert "modelz" not in code(page).inner_text()
    expect(page.locator(".cm-lint-marker-error")).to_have_count(0)
    assert panel.state.draft.text is None


def test_the_dialect_is_written_into_the_text(page, panel):
    page.get_by_label("Dialect").select_option("mergekit 0.1")
    expect(code(page)).to_contain_text("dialect: mergekit-0.1")
    page.get_by_role("button", name="Apply").click()
    settle(page)
    assert "dialect: mergekit-0.1" in panel.state.text
    page.get_by_label("Dialect").select_option("not named")
    expect(code(page)).not_to_contain_text("dialect:")
