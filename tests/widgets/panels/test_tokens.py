from __future__ import annotations

import pytest

from nbmerge.widgets.panels.tokens import TokensPanel
from tests.tokenizers.makers import letters, model
from tests.widgets.browser import act


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pair")
    model(folder / "base", letters(("<|a|>",)))
    model(
        folder / "tuned",
        letters(("<|b|>", "<|a|>")),
        seed=1,
        settings={"eos_token": "<|b|>", "chat_template": "<b>{{ x }}</b>"},
    )
    return {"base": str(folder / "base"), "tuned": str(folder / "tuned")}


def recipe(pair, **fields):
    return {
        "merge_method": "slerp",
        "base_model": pair["base"],
        "models": list(pair.values()),
        "parameters": {"t": 0.5},
        **fields,
    }


def test_tokens_that_models_do_not_share_are_listed(pair):
    content = TokensPanel(recipe(pair)).view.content
    facts = " ".join(content["facts"])
    assert "tuned has 1 token ('<|b|>') that no other model has" in facts
    assert "has different ids than base for 1 token ('<|a|>')" in facts
    assert "eos_token differs" in facts
    assert "chat templates differ" in facts
    (only, moved) = content["lists"]
    assert (only["title"], only["tokens"], only["more"]) == ("1 token only in tuned", ["<|b|>"], 0)
    assert moved["title"] == "1 token with a different id in tuned"
    specials = content["tables"][-1]
    assert {"token": "<|b|>", "note": "128"} in specials["rows"][1]


def test_choosing_a_vocabulary_repairs_the_recipe_and_describes_the_rows(pair):
    panel = TokensPanel(recipe(pair))
    assert panel.state.plan is None  # sizes differ
    act(panel.view, "choose", value="owners union")
    assert (panel.recipe.tokenizer.source, panel.recipe.tokenizer.rows) == ("union", "owners")
    assert panel.state.plan.config["vocab_size"] == 130
    assert "lm_head.weight" in str(panel.view.content["tables"])
    act(panel.view, "choose", value="fill union")
    assert (panel.recipe.tokenizer.source, panel.recipe.tokenizer.rows) == ("union", "method")
    act(panel.view, "choose", value="copy")
    assert (panel.recipe.tokenizer, panel.recipe.vocabulary) == (None, "copy")
    act(panel.view, "choose", value="")
    assert panel.recipe.vocabulary == "refuse"


def test_a_recipe_with_a_source_of_its_own(pair):
    content = TokensPanel(recipe(pair, tokenizer_source=pair["tuned"])).view.content
    assert content["value"] == f"fill {pair['tuned']}"
    assert content["value"] in [option["value"] for option in content["options"]]


def test_a_text_as_each_model_cuts_it(pair):
    panel = TokensPanel(recipe(pair))
    act(panel.view, "set_sample", text="<|b|>")
    base, tuned = panel.view.content["cuts"]
    assert (tuned["count"], tuned["tokens"]) == (1, [["<|b|>", 128]])
    assert base["count"] > 1


def test_without_models_and_without_tokenizers(tmp_path, pair):
    empty = TokensPanel().view.content
    assert (empty["disabled"], empty["facts"], empty["cuts"]) == (True, [], [])
    mute = model(tmp_path / "mute", letters())
    (mute / "tokenizer.json").unlink()
    panel = TokensPanel(recipe({"base": str(mute), "tuned": pair["tuned"]}))
    assert "mute has no tokenizer.json." in panel.view.content["facts"]
