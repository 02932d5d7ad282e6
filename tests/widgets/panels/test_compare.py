"""The Compare panel without a browser."""

from __future__ import annotations

import json

import pytest

from nbmerge.widgets import ComparePanel
from nbmerge.widgets.state.saved import read_document, take_document, write_document
from nbmerge.widgets.state.studio_state import StudioState


@pytest.fixture
def panel(state, monkeypatch):
    monkeypatch.setattr("nbmerge.widgets.panels.compare.TOKENS", 4)
    state.prompts = "ab\ncd\nef"
    state.notes.rename(1, "start")
    state.edit(lambda r: r.with_parameter("weight", 40, "ft1"))
    panel = ComparePanel(state=state)
    yield panel
    panel.close()


def act(panel, action, **args):
    panel.view._receive({"action": action, "args": args, "count": 1})
    assert panel.runner.wait(120)
    json.dumps(panel.view.content)
    return panel.view.content


def test_the_merge_named_steps_and_parents_can_be_compared(panel, state):
    titles = {c["key"]: c["title"] for c in panel.view.content["candidates"]}
    assert titles == {
        "now": "the merge now", "step 1": "start",
        "parent base": "base", "parent ft1": "ft1", "parent ft2": "ft2",
    }  # fmt: skip


def test_a_blind_test_is_voted_on_and_kept(panel, state):
    content = act(panel, "start_blind", first="now", second="step 1")
    assert panel.errors.value == ""
    test = state.notes.blind_test
    assert test.names == ("the merge now", "start")
    assert content["blind"]["pair"]["prompt"] == test.pairs[test.next].prompt
    assert "start" not in json.dumps(content["blind"]["pair"])
    done = content["blind"]["number"]
    assert act(panel, "vote", side="left")["blind"]["number"] == done + 1
    other = StudioState()
    take_document(read_document(write_document(state)), other)
    assert other.notes.blind_test.votes == test.votes
    assert other.notes.blind_test.pairs == test.pairs
    assert act(panel, "end_blind")["blind"] is None


def test_a_parent_takes_part(panel, state):
    act(panel, "start_blind", first="now", second="parent ft2")
    assert state.notes.blind_test.names == ("the merge now", "ft2")
    act(panel, "start_blind", first="now", second="now")
    assert "two different" in panel.errors.value


def test_a_grid_is_sampled_and_a_cell_taken(panel, state):
    keys = {c["title"]: c["key"] for c in panel.view.content["parameters"]}
    typed = {"columns": keys["weight of ft1"], "column_values": "0, 1", "rows": keys["lambda"], "row_values": "1 2"}
    grid = act(panel, "start_grid", prompt="ab", **typed)["grid"]
    assert panel.errors.value == ""
    assert (grid["columns"], grid["rows"]) == (["0", "1"], ["1", "2"])
    assert all(isinstance(text, str) for row in grid["cells"] for text in row)
    act(panel, "take", column=1, row=1)
    assert state.recipe == panel.grid.recipe_at(1, 1)
    act(panel, "start_grid", prompt="ab", **(typed | {"column_values": "a"}))
    assert "not a list of numbers" in panel.errors.value
