"""The Text panel: what `compare_tokens` finds, as the browser draws it."""

import pytest

import nbmerge as nbm
from nbmerge.sampling import Perplexity
from nbmerge.widgets import TextPanel
from tests.widgets.browser import act

TEXT = "the fox went to the river."


def test_tokens_with_their_numbers(state):
    panel = TextPanel(state=state)
    act(panel.view, "compare", text=TEXT)
    assert state.job.wait(60)
    assert panel.errors.value == ""
    found, result = nbm.compare_tokens(state.recipe, TEXT, progress=False), panel.view.content["result"]
    assert result["tokens"] == list(found.tokens)
    assert [m["label"] for m in result["models"]] == ["the merge", "base", "ft1", "ft2"]
    assert result["logs"][0] == pytest.approx(found.merge, rel=1e-3)
    assert [result["models"][i]["label"] for i in result["closest"]] == list(found.closest)
    state.edit(lambda recipe: recipe.with_parameter("weight", 0.9, "ft2"))
    assert panel.view.content["stale"]


def test_the_text_of_a_score_is_suggested(state):
    state.prompts = "the fox"
    panel = TextPanel(state=state)
    assert panel.view.content["suggested"] == "the fox"
    state.notes.set_score("story", Perplexity(TEXT))
    panel._draw()
    assert panel.view.content["suggested"] == TEXT
    act(panel.view, "compare", text=" ")
    assert "Type a text" in panel.errors.value
