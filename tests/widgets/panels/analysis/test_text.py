"""The Text panel: what `compare_tokens` finds, as the browser draws it."""

import pytest

import nbmerge as nbm
from nbmerge.sampling import Perplexity
from nbmerge.widgets import TextPanel
from tests.widgets.browser import act

TEXT = "the fox went to the river."


@pytest.mark.slow
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


@pytest.mark.slow
def test_work_that_ends_while_another_tab_is_open_is_shown_when_the_panel_is(state):
    panel = TextPanel(state=state)
    act(panel.view, "compare", text=TEXT)
    panel.in_view = False
    assert state.job.wait(60)
    assert panel.view.content["result"] is None  # nothing is drawn out of sight
    panel.in_view = True
    assert panel.view.content["progress"] == ""
    assert panel.view.content["result"]["tokens"]


def test_errors_of_work_that_ends_while_another_tab_is_open_stay(state, monkeypatch):
    monkeypatch.setattr("nbmerge.analysis.compare_tokens", lambda *args, **kwargs: 1 / 0, raising=False)
    panel = TextPanel(state=state)
    panel.in_view = False
    panel.compare(TEXT)
    assert state.job.wait(60)
    panel.in_view = True
    assert "ZeroDivisionError" in panel.errors.value
    assert panel.view.content["progress"] == ""
