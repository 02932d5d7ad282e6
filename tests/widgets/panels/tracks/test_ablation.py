"""The row of effects: computed on demand, out of date after a change, and a click takes a part as one step."""

import threading

import pytest

import nbmerge as nbm
from nbmerge.errors import MergeStopped
from nbmerge.sampling import Phrase
from tests.widgets.browser import act

PROMPTS = "the fox went to the river\nand the lion came"


def row(panel):
    return panel.view.content["rows"]["ablation"]


@pytest.fixture
def prompted(tracks):
    tracks.state.prompts = PROMPTS
    return tracks


def computed(panel):
    act(panel.view, "ablation.compute")
    assert panel.state.job.wait(60)
    assert panel.errors.value == ""
    return panel


def test_nothing_is_computed_before_it_is_asked_for(tracks):
    assert not row(tracks)["ready"]
    assert "prompt" in row(tracks)["note"]
    tracks.state.prompts = PROMPTS
    assert row(tracks)["ready"]
    assert "cells" not in row(tracks)


def test_cells_are_the_effects_and_a_click_takes_a_part(prompted):
    act(prompted.view, "ablation.choose", score="perplexity of the prompts", source="ft2")
    before, part = prompted.recipe, row(computed(prompted))
    effect = nbm.ablate(before, "ft2", PROMPTS.split("\n"), progress=False)
    at = effect.parts.index((3, "mlp"))
    change = effect.values["perplexity"][at] - effect.merge["perplexity"]
    mlp = [kind["key"] for kind in part["kinds"]].index("mlp")
    column = [c["layer"] for c in prompted.view.content["columns"]].index(3)
    assert part["cells"][mlp][column] == pytest.approx(change, rel=1e-3)
    assert part["outside"][0] is not None
    assert part["roles"][0] == "embedding"
    assert not part["stale"]
    assert not part["ready"]

    act(prompted.view, "ablation.take", layer=3, kind="mlp")
    assert prompted.recipe == effect.recipe(3, "mlp")
    assert row(prompted)["stale"]
    assert row(prompted)["ready"]
    prompted.state.undo()
    assert prompted.recipe == before
    assert not row(prompted)["stale"]


def test_scores_that_come_and_go_are_offered(prompted):
    offered = row(prompted)["scores"]
    prompted.state.notes.set_score("fox", Phrase("the", " fox"))
    assert row(prompted)["scores"] == [offered[0], "fox", *offered[1:]]


def test_other_models_leave_nothing_of_it(prompted, family):
    computed(prompted)
    prompted.state.open_recipe(nbm.Recipe.of({"merge_method": "linear", "models": [
        {"model": str(family.ft1), "parameters": {"weight": 1}}, {"model": str(family.ft2), "parameters": {"weight": 1}},
    ]}))  # fmt: skip
    assert "cells" not in row(prompted)


def test_it_can_be_stopped(prompted):
    started = threading.Event()

    def endless(model):
        started.set()
        while not prompted.state.job.cancel.wait(0.01):
            pass
        raise MergeStopped("Stopped.")

    prompted.state.notes.set_score("endless", endless)
    act(prompted.view, "ablation.choose", score="endless", source="ft2")
    act(prompted.view, "ablation.compute")
    assert started.wait(60)
    assert [activity.name for activity in prompted.state.activities.running] == ["ablate"]
    assert row(prompted)["progress"]
    act(prompted.view, "ablation.stop")
    assert prompted.state.job.wait(60)
    assert (prompted.state.job.status, prompted.errors.value) == ("stopped", "")
    assert row(prompted)["progress"] == ""
    assert "cells" not in row(prompted)
