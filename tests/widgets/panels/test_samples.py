"""The Samples panel without a browser."""

import threading

import pytest

from nbmerge.widgets import SamplesPanel
from nbmerge.widgets.state.sampling_session import MERGE_NAME


@pytest.fixture
def panel(state):
    panel = SamplesPanel(state=state)
    panel.prompts.value = "once <b>\nthe cat"
    panel.length.value = 4
    return panel


def generated(panel):
    panel.generate.click()
    assert panel.runner.wait(120)
    assert panel.errors.value == ""
    return [child.value for child in panel.cards.children]


def test_parents_and_merge_are_asked_the_same(panel, state):
    cards = generated(panel)
    assert len(cards) == 4
    assert all("once &lt;b&gt;" in card and "the cat" in card for card in cards)
    assert "<h4>the merge</h4>" in cards[0]
    state.edit(lambda r: r.with_parameter("lambda", 0.5))
    assert "Out of date" in panel.note.value
    assert "earlier recipe" in panel.cards.children[0].value
    assert "tokens changed" in (again := generated(panel))[0] or "no change" in again[0]
    assert panel.note.layout.display == "none"
    panel.parents.value = False
    assert len(generated(panel)) == 1


def test_it_follows_the_sliders_where_it_is_asked_to(panel, state):
    panel.parents.value = False
    panel.automatic.value = True
    assert panel.runner.wait(120)
    first = panel.session.outputs[MERGE_NAME].fingerprint
    state.edit(lambda r: r.with_parameter("weight", 0.9, "ft1"))
    assert panel.runner.wait(120)
    assert panel.session.outputs[MERGE_NAME].fingerprint == state.recipe.fingerprint != first
    panel.in_view = False  # behind another tab it keeps quiet
    state.edit(lambda r: r.with_parameter("weight", 0.8, "ft1"))
    assert not panel.runner.busy
    panel.in_view = True
    assert panel.runner.wait(120)
    assert panel.session.outputs[MERGE_NAME].fingerprint == state.recipe.fingerprint


def test_an_edit_stops_what_is_being_said_and_starts_over(panel, state):
    panel.parents.value = False
    panel.length.value = 40
    panel.automatic.value = True
    assert panel.runner.wait(120)
    spoken, told = threading.Event(), panel.session.on_change

    def tell(output):
        told(output)
        if output.fingerprint == middle and output.continuations[0].pieces:
            spoken.set()

    panel.session.on_change, middle = tell, ""
    state.edit(lambda r: r.with_parameter("weight", 0.7, "ft1"))
    middle = state.recipe.fingerprint
    assert spoken.wait(60)
    state.edit(lambda r: r.with_parameter("weight", 0.2, "ft1"))
    assert panel.runner.wait(120)
    output = panel.session.outputs[MERGE_NAME]
    assert output.fingerprint == state.recipe.fingerprint
    assert all(t.status == "done" for t in output.continuations)


def test_stop(panel):
    panel.length.value = 40
    told = panel.session.on_change
    panel.session.on_change = lambda output: (
        told(output),
        panel.stop.click() if output.continuations[0].pieces else None,
    )
    panel.generate.click()
    assert panel.runner.wait(120)
    assert "(stopped)" in panel.cards.children[0].value
    assert panel.stop.disabled
    assert panel.errors.value == ""


def test_pin_and_back(panel, state):
    generated(panel)
    recipe = state.recipe
    panel.pin.click()
    assert panel.runner.wait(120)
    assert panel.errors.value == ""
    assert "pinned A" in panel.cards.children[1].value
    state.edit(lambda r: r.with_parameter("lambda", 2.0))
    generated(panel)
    panel.compare.value = "A"
    assert "<small>" in panel.cards.children[0].value
    panel.pinned.children[0].click()
    assert state.recipe == recipe
    assert state.can_undo
    panel.pinned.children[1].click()
    assert len(panel.cards.children) == 4
    assert panel.pinned.children == ()


def test_who_speaks_can_be_chosen(panel, state):
    panel.backend.value = "virtual"
    assert "virtual merge" in generated(panel)[0]
    state.edit(lambda r: r.with_parameter("lambda", 0.9))
    panel.backend.value = "live"
    assert "live merge" in generated(panel)[0]
    panel.backend.value = "virtual"
    state.use_method("ties")
    panel.generate.click()
    assert panel.runner.wait(120)
    assert "cannot be evaluated as a virtual merge: " in panel.errors.value
    panel.backend.value = "automatic"
    assert "live merge" in generated(panel)[0]


def test_what_does_not_fit_is_refused_before_anything_is_taken(panel, state, monkeypatch):
    monkeypatch.setattr("nbmerge.engine.cost.live_forecast.available_memory", lambda: 10_000)
    state.edit(lambda r: r.with_parameter("lambda", 0.9))
    assert "It does not fit" in panel.memory.value
    assert "leave out the parents" in panel.memory.value
    panel.backend.value = "live"
    panel.generate.click()
    assert "Instead:" in panel.errors.value
    assert not panel.runner.busy


def test_without_a_prompt_nothing_starts(panel):
    panel.prompts.value = "\n"
    panel.generate.click()
    assert "Type at least one prompt" in panel.errors.value
    assert not panel.runner.busy
