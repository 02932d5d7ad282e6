"""The Samples panel without a browser."""

import threading

import pytest

from nbmerge.widgets import SamplesPanel
from nbmerge.widgets.state.sampling_session import MERGE_NAME
from tests.widgets.browser import act


@pytest.fixture
def panel(state):
    panel = SamplesPanel(state=state)
    act(panel.view, "set_prompts", prompts="once <b>\nthe cat")
    act(panel.view, "set_number", name="length", value=4)
    return panel


def generate(panel):
    act(panel.view, "generate")
    assert panel.runner.wait(120)
    assert panel.errors.value == ""
    return panel.view.content


def titles(content):
    return [column["title"] for column in content["columns"]]


def text(cell):
    return "".join(run for run, _ in cell["runs"])


def test_parents_and_merge_continue_the_same_prompts(panel, state):
    assert panel.view.content["rows"][0] == [None] * 4  # before anything is sampled the table has its shape
    content = generate(panel)
    assert titles(content) == ["Now", "base", "ft1", "ft2"]
    assert content["prompts"] == ["once <b>", "the cat"]
    assert all(cell["status"] == "done" and cell["tokens"] == 4 for row in content["rows"] for cell in row)
    state.edit(lambda r: r.with_parameter("lambda", 0.5))
    content = panel.view.content
    assert "Out of date" in content["note"]
    assert [c["stale"] for c in content["columns"]] == [True, False, False, False]
    again = generate(panel)
    assert again["note"] == ""
    assert {row[0]["note"] for row in again["rows"]} <= {"no change", *(f"{n} of 4 tokens changed" for n in range(5))}
    assert all(row[0]["note"] for row in again["rows"])
    act(panel.view, "set_parents", parents=False)
    assert titles(generate(panel)) == ["Now"]


@pytest.mark.slow
def test_a_prompt_that_is_changed_has_no_text_yet(panel):
    generate(panel)
    act(panel.view, "set_prompts", prompts="the cat\nthe dog\n\n")
    content = panel.view.content
    assert content["prompts"] == ["the cat", "the dog"]
    assert [row[0] is None for row in content["rows"]] == [False, True]


@pytest.mark.slow
def test_it_follows_the_recipe_where_it_is_asked_to(panel, state):
    act(panel.view, "set_parents", parents=False)
    act(panel.view, "set_follow", follow=True)
    assert panel.runner.wait(120)
    first = panel.session.outputs[MERGE_NAME].fingerprint
    state.edit(lambda r: r.with_parameter("weight", 0.9, "ft1"))
    assert panel.runner.wait(120)
    assert panel.session.outputs[MERGE_NAME].fingerprint == state.recipe.fingerprint != first
    panel.in_view = False  # out of sight it computes nothing
    state.edit(lambda r: r.with_parameter("weight", 0.8, "ft1"))
    assert not panel.runner.busy
    panel.in_view = True
    assert panel.runner.wait(120)
    assert panel.session.outputs[MERGE_NAME].fingerprint == state.recipe.fingerprint


@pytest.mark.slow
def test_an_edit_stops_what_is_being_generated_and_starts_over(panel, state):
    panel.set_parents(False)
    panel.set_number("length", 20)
    panel.set_follow(True)
    assert panel.runner.wait(120)
    started, on_change = threading.Event(), panel.session.on_change
    middle = state.recipe.with_parameter("weight", 0.7, "ft1")

    def note(output):
        on_change(output)
        if output.fingerprint == middle.fingerprint and output.continuations[0].pieces:
            started.set()

    panel.session.on_change = note
    state.set_recipe(middle)
    assert started.wait(60)
    state.edit(lambda r: r.with_parameter("weight", 0.2, "ft1"))
    assert panel.runner.wait(120)
    output = panel.session.outputs[MERGE_NAME]
    assert output.fingerprint == state.recipe.fingerprint
    assert all(t.status == "done" for t in output.continuations)


def test_sampling_can_be_stopped(panel):
    panel.set_number("length", 40)
    on_change = panel.session.on_change
    panel.session.on_change = lambda output: (
        on_change(output),
        act(panel.view, "stop") if output.continuations[0].pieces else None,
    )
    assert generate(panel)["rows"][0][0]["status"] == "stopped"
    assert not panel.view.content["busy"]


@pytest.mark.slow
def test_pin_and_back(panel, state):
    generate(panel)
    recipe = state.recipe
    act(panel.view, "pin")
    assert panel.runner.wait(120)
    assert panel.errors.value == ""
    assert titles(panel.view.content)[1] == "Pinned A"
    state.edit(lambda r: r.with_parameter("lambda", 2.0))
    generate(panel)
    act(panel.view, "set_compare", compare="A")
    now, pinned, *_ = panel.view.content["rows"][0]
    kept = [run for run, new in now["runs"] if not new]
    assert all(run in text(pinned) for run in kept)
    assert now["note"]
    act(panel.view, "restore", name="A")
    assert state.recipe == recipe
    assert state.can_undo
    act(panel.view, "unpin", name="A")
    assert titles(panel.view.content) == ["Now", "base", "ft1", "ft2"]
    assert panel.view.content["settings"]["compare"] == "the previous output"
    act(panel.view, "restore", name="A")
    assert "There is no pin A any more" in panel.errors.value


@pytest.mark.slow
def test_how_the_merge_is_run_can_be_chosen(panel, state):
    panel.set_backend("virtual")
    assert "virtual merge" in generate(panel)["columns"][0]["detail"]
    state.edit(lambda r: r.with_parameter("lambda", 0.9))
    panel.set_backend("live")
    assert "live merge" in generate(panel)["columns"][0]["detail"]
    panel.set_backend("virtual")
    state.use_method("ties")
    act(panel.view, "generate")
    assert panel.runner.wait(120)
    assert "cannot be evaluated as a virtual merge: " in panel.errors.value
    panel.set_backend("automatic")
    assert "live merge" in generate(panel)["columns"][0]["detail"]


def test_a_merge_beyond_memory_is_refused_first(panel, state, monkeypatch):
    monkeypatch.setattr("nbmerge.engine.cost.live_forecast.available_memory", lambda: 10_000)
    state.edit(lambda r: r.with_parameter("lambda", 0.9))
    memory = panel.view.content["memory"]
    assert "It does not fit" in memory["text"]
    assert any("leave out the parents" in way for way in memory["ways"])
    panel.set_backend("live")
    act(panel.view, "generate")
    assert "Instead:" in panel.errors.value
    assert not panel.runner.busy


def test_an_error_leaves_the_columns_of_the_parents(panel, state):
    before = titles(panel.view.content)
    assert len(before) > 1
    state.apply_text(state.text.replace("merge_method: ", "merge_method: not_"))
    assert state.plan is None
    assert titles(panel.view.content) == before
    state.start_over()
    assert titles(panel.view.content) == ["Now"]


def test_without_a_prompt_nothing_starts(panel):
    act(panel.view, "set_prompts", prompts="\n")
    act(panel.view, "generate")
    assert "Type at least one prompt" in panel.errors.value
    assert not panel.runner.busy


def test_settings_stay_within_their_limits(panel):
    panel.set_number("length", 10**9)
    panel.set_number("temperature", -1.0)
    settings = panel.view.content["settings"]
    assert (settings["length"], settings["temperature"]) == (4096, 0.0)
    act(panel.view, "set_number", name="errors", value=1)
    assert "no setting" in panel.errors.value
