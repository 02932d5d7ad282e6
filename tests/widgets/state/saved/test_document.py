"""The file's format: what goes in, and what a file from anybody may do."""

from __future__ import annotations

import json
import math

import pytest

from nbmerge.errors import NbmergeError
from nbmerge.sampling import Perplexity, Phrase, ScoreRecord
from nbmerge.widgets.state.saved import document, read_document, take_document, write_document
from nbmerge.widgets.state.studio_state import StudioState


@pytest.fixture
def worked(state):
    """A state with two branches, names, scores, pins, prompts and words."""
    start = state.recipe
    state.edit(lambda r: r.with_parameter("lambda", 0.5))
    state.notes.add_scores(ScoreRecord(state.recipe.fingerprint, state.recipe, {"a": 0.25, "b": math.nan}))
    state.undo()
    assert state.apply_text(f"# mine\n{state.recipe.with_parameter('lambda', 0.75).to_yaml()}")
    state.notes.rename(state.history.current_id, "<b>good</b>")
    state.notes.add_pin("A", start)
    state.notes.scores.add("text", Perplexity("abc"))
    state.notes.scores.add("phrase", Phrase("a", ("b",)))
    state.notes.scores.add("own", lambda model: 1.0)
    state.prompts = "once\nupon"
    state.notes.summarise()
    return state


def test_what_is_written_is_read_back(worked):
    state = StudioState()
    assert take_document(read_document(write_document(worked)), state) == 3
    assert (state.recipe, state.text, state.plan.depth) == (worked.recipe, worked.text, worked.plan.depth)
    for old, new in zip(worked.history, state.history, strict=True):
        assert (old.id, old.parent, old.recipe, old.name, old.pins, old.summary) == (
            new.id, new.parent, new.recipe, new.name, new.pins, new.summary,
        )  # fmt: skip
    assert state.history[2].scores["a"] == 0.25
    assert math.isnan(state.history[2].scores["b"])
    assert state.prompts == "once\nupon"
    assert list(state.notes.scores.scores) == ["text", "phrase"]
    state.undo()
    assert state.recipe == worked.history[1].recipe


def test_a_draft_is_kept_with_the_recipe_that_it_was_begun_from(worked):
    draft = worked.text.replace("0.75", "0.8")
    worked.draft.edit(draft)
    worked.edit(lambda r: r.replace(dtype="bfloat16"))
    state = StudioState()
    take_document(read_document(write_document(worked)), state)
    assert state.draft.text == draft
    assert state.draft.is_behind
    assert state.draft.apply()
    assert state.recipe.parameters["lambda"].plain() == 0.8
    assert state.recipe.dtype == "bfloat16"


def test_restoring_keeps_what_was_done_since(worked, recipe):
    state = StudioState(recipe)
    state.edit(lambda r: r.with_parameter("lambda", 0.1))
    mine = state.recipe
    take_document(read_document(write_document(worked)), state)
    assert state.recipe == worked.recipe
    assert len(state.history) == 5
    state.go(2)
    assert state.recipe == mine


def test_no_token_is_written(worked, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "secret-of-the-hub-42")
    worked.prompts = "hf_abcdefghijklmnop and secret-of-the-hub-42"
    worked.notes.rename(1, "hf_abcdefghijklmnop")
    raw = write_document(worked)
    assert b"hf_abc" not in raw
    assert b"secret-of" not in raw
    assert raw.count(b"(removed)") == 3
    read_document(raw)


@pytest.mark.slow
def test_a_file_is_bounded(worked, monkeypatch):
    for value in range(40):
        worked.edit(lambda r, value=value: r.with_parameter("lambda", value / 100))
    monkeypatch.setattr(document, "MOST_BYTES", 12_000)
    raw = write_document(worked)
    assert len(raw) <= 12_000
    kept = read_document(raw).file
    assert kept.current == worked.history.current_id
    assert {step.name for step in kept.steps} == {"", "<b>good</b>"}
    assert len(worked.history) == 43


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda data: data | {"version": 2}, "newer version"),
        (lambda data: data | {"extra": 1}, "extra"),
        (lambda data: data | {"steps": data["steps"] * 400}, "steps"),
        (lambda data: data | {"steps": [data["steps"][0] | {"scores": {"a": "1"}}]}, "scores"),
        (lambda data: data | {"steps": [data["steps"][0] | {"id": -1}]}, "id"),
        (lambda data: data | {"scores": [{"kind": "code", "name": "x"}]}, "scores"),
        (lambda data: [data], "not a JSON object"),
        (lambda data: {}, "not a file of a Studio"),
        (lambda data: {"format": "nbmerge studio"}, "saved"),
    ],
)
def test_a_file_that_is_not_of_this_form_is_refused(worked, change, what):
    changed = change(json.loads(write_document(worked)))
    with pytest.raises(NbmergeError, match=what):
        read_document(json.dumps(changed).encode())


def test_a_recipe_in_a_file_is_data_and_never_a_path(worked, tmp_path):
    secret = tmp_path / "recipe.yml"
    secret.write_text(worked.text)
    data = json.loads(write_document(worked))
    data["steps"][0] |= {"text": str(secret), "recipe": None}
    data["steps"][1] |= {"recipe": {"merge_method": "__import__('os').system('x')", "models": 3}}
    state = StudioState()
    assert take_document(read_document(json.dumps(data).encode()), state) == 1
    assert state.history.path_to(state.history.current_id)[0].parent is None


def test_recipes_of_a_file_of_ones_own_are_read_when_they_are_needed(worked, monkeypatch):
    raw = write_document(worked)
    read = []
    monkeypatch.setattr(
        document,
        "_read_recipe",
        lambda saved, read_recipe=document._read_recipe: read.append(saved.id) or read_recipe(saved),
    )
    state = StudioState()
    take_document(read_document(raw), state)
    assert set(read) < {step.id for step in worked.history}
    assert [step.recipe for step in state.history] == [step.recipe for step in worked.history]


def test_steps_in_a_circle_are_a_line(worked):
    data = json.loads(write_document(worked))
    first, second, *_ = data["steps"]
    data["steps"] = [first, second, first | {"parent": second["id"]}]
    state = StudioState()
    assert take_document(read_document(json.dumps(data).encode()), state) == 3
    assert len(state.history) == 2
    assert len(state.history.path_to(second["id"])) == 2
