from __future__ import annotations

import pytest

from nbmerge.widgets.panels.tokens import TokensPanel
from tests.tokenizers.makers import letters, model


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
    panel = TokensPanel(recipe(pair))
    assert "tuned has 1 token (&#x27;&lt;|b|&gt;&#x27;) that no other model has" in panel.facts.value
    assert "has different ids than base for 1 token (&#x27;&lt;|a|&gt;&#x27;)" in panel.facts.value
    assert "eos_token differs" in panel.facts.value
    assert "chat templates differ" in panel.facts.value
    assert "<|b|>" not in panel.lists.value  # escaped
    assert "&lt;|b|&gt;" in panel.lists.value


def test_choosing_a_vocabulary_repairs_the_recipe_and_describes_the_rows(pair):
    panel = TokensPanel(recipe(pair))
    assert panel.state.plan is None  # sizes differ
    panel.source.value = "owners union"
    assert (panel.recipe.tokenizer.source, panel.recipe.tokenizer.rows) == ("union", "owners")
    assert panel.state.plan.config["vocab_size"] == 130
    assert "lm_head.weight" in panel.rows_.value
    panel.source.value = "fill union"
    assert (panel.recipe.tokenizer.source, panel.recipe.tokenizer.rows) == ("union", "method")
    panel.source.value = "copy"
    assert (panel.recipe.tokenizer, panel.recipe.vocabulary) == (None, "copy")
    panel.source.value = ""
    assert panel.recipe.vocabulary == "refuse"


def test_a_recipe_with_a_source_of_its_own(pair):
    panel = TokensPanel(recipe(pair, tokenizer_source=pair["tuned"]))
    assert panel.source.value == f"fill {pair['tuned']}"


def test_a_text_as_each_model_cuts_it(pair):
    panel = TokensPanel(recipe(pair))
    panel.sample.value = "<|b|>"
    base, tuned = panel.compared.cut("<|b|>").values()
    assert tuned == [("<|b|>", 128)]
    assert base != tuned
    assert "&lt;|b|&gt;" in panel.cuts.value


def test_without_models_and_without_tokenizers(tmp_path, pair):
    assert TokensPanel().body.layout.display == "none"
    mute = model(tmp_path / "mute", letters())
    (mute / "tokenizer.json").unlink()
    panel = TokensPanel(recipe({"base": str(mute), "tuned": pair["tuned"]}))
    assert "mute has no tokenizer.json" in panel.facts.value
