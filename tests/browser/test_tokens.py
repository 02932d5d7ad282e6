"""The Tokens tab in a real JupyterLab: vocabularies that differ, what becomes of their rows, a text as each cuts it."""

from __future__ import annotations

import json

import pytest

pytest.importorskip("playwright.sync_api", reason="no browser tests: playwright is not installed")

from playwright.sync_api import Page, expect

from tests.browser.hands import status, tab, undo
from tests.browser.labdrive import execute, until, value
from tests.tokenizers.makers import letters, model

pytestmark = pytest.mark.browser


@pytest.fixture
def tokens(page: Page, server):
    """A Studio whose two models have vocabularies of their own."""
    folder = server[1] / "vocabularies"
    if not folder.exists():
        model(folder / "base", letters(("<|a|>",)))
        model(folder / "tuned", letters(("<|b|>", "<|a|>")), seed=1, settings={"eos_token": "<|b|>"})
    models = [f"vocabularies/{name}" for name in ("base", "tuned")]
    recipe = {"merge_method": "slerp", "base_model": models[0], "models": models, "parameters": {"t": 0.5}}
    execute(page, f"import json; studio.recipe = nbm.Recipe.of(json.loads({json.dumps(recipe)!r}))")
    tab(page, "Tokens")
    panel = page.locator(".nbm-tokens")
    expect(panel).to_contain_text("only here")
    return panel


def test_tokens_that_models_do_not_share_are_listed(page: Page, tokens):
    expect(tokens).to_contain_text("tuned has 1 token ('<|b|>') that no other model has")
    expect(tokens).to_contain_text("eos_token differs")
    tokens.locator("summary").first.click()
    expect(tokens.locator("details[open] code").first).to_be_visible()
    expect(status(page)).to_contain_text("problem")  # sizes differ, and nothing says what to do


def test_a_vocabulary_is_chosen_and_its_rows_are_described(page: Page, tokens):
    tokens.get_by_label("Vocabulary").select_option("union; mean of the models that have a token")
    until(page, "studio.recipe.tokenizer is not None and studio.state.plan is not None")
    expect(tokens).to_contain_text("rows of the merged model")
    expect(tokens).to_contain_text("lm_head.weight")
    expect(status(page)).to_contain_text("Ready")
    until(page, "'rows: owners' in studio.state.text")
    undo(page)
    until(page, "studio.recipe.tokenizer is None")
    expect(tokens.get_by_label("Vocabulary")).to_have_value("")


def test_a_text_is_shown_as_each_model_cuts_it(page: Page, tokens):
    field = tokens.get_by_label("Text")
    field.fill("<|b|>")
    page.keyboard.press("Enter")
    cuts = tokens.locator("tr", has_text="tuned").last
    expect(cuts.locator("code")).to_have_count(1)
    expect(cuts.locator("code")).to_have_text("<|b|>")
    assert value(page, "len(studio.tokens.compared.cut('<|b|>')['base'])") > 1
