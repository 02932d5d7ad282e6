"""The Search panel: it finds what `search` finds, goes on from its storage file, and puts the best into the history."""

import pandas as pd
import pytest

import nbmerge as nbm
from nbmerge.sampling import Perplexity
from nbmerge.widgets import SearchPanel
from nbmerge.widgets.panels.analysis.table import describe_table
from tests.models import make_model
from tests.widgets.browser import act

pytest.importorskip("optuna")

STORY, OTHER = "the fox went to the river.", "the owl slept in the barn."
SCORE = "perplexity of the prompts"


@pytest.fixture
def panel(state):
    state.prompts = STORY
    made = SearchPanel(state=state)
    yield made
    made.close()


def fields(panel, **changes):
    ranges = list_ranges(panel, chosen=True)
    return {"ranges": ranges, "scores": [SCORE], "trials": 4, "storage": "", **changes}


def list_ranges(panel, chosen):
    """What the browser sends back of the ranges that it got: all but the shorter titles."""
    return [
        {name: one[name] for name in one if name != "short"} | {"chosen": chosen}
        for one in panel.view.content["ranges"]
    ]


def searched(panel, **changes):
    act(panel.view, "start", form=fields(panel, **changes))
    assert panel.state.job.wait(120)
    assert panel.errors.value == ""
    assert panel.drawing.runner.wait(60)
    return panel.view.content["found"]


def test_it_finds_what_search_finds_and_the_best_are_in_the_history(panel, state):
    start = state.recipe
    found = searched(panel, held_out_texts={SCORE: OTHER}, seed=3)
    expected = nbm.search(start, {SCORE: STORY}, {SCORE: OTHER}, trials=4, seed=3, progress=False)
    (curve,) = found["curves"]
    values = expected.table[SCORE].to_list()
    assert [value for _, value in curve["points"]] == pytest.approx(values, rel=1e-4)
    held = expected.table[f"held_out[{SCORE}]"].dropna()
    assert curve["heldOut"] == [[number, pytest.approx(value, rel=1e-4)] for number, value in held.items()]
    assert found["notes"] == list(expected.notes)
    names = {step.name for step in state.history}
    assert {f"search, trial {trial.number}" for trial in expected.ranked(4)} <= names
    assert state.recipe == start
    act(panel.view, "go", trial=expected.best_trial.number)
    assert state.recipe == expected.best
    assert panel.view.content["drawn"]


@pytest.mark.slow
def test_a_search_goes_on_from_its_file_also_from_another_step(panel, state, tmp_path):
    file = str(tmp_path / "study.db")
    searched(panel, storage=file, trials=2)
    act(panel.view, "go", trial=1)
    again = SearchPanel(state=state)  # as after the panel was closed
    found = searched(again, storage=file, trials=4, ranges=panel.form.model_dump()["ranges"])
    whole = nbm.search(state.history[1].recipe, {SCORE: STORY}, trials=4, progress=False)
    assert [v for _, v in found["curves"][0]["points"]] == pytest.approx(whole.table[SCORE].to_list(), rel=1e-4)
    assert again.view.content["isStored"]
    again.close()


def test_only_chosen_parameters_are_varied_within_their_bounds(panel):
    first, *others = list_ranges(panel, chosen=False)
    searched(panel, ranges=[{**first, "chosen": True, "low": 0.2, "high": 0.3, "knots": 1}, *others])
    table = panel.state.analyses.find("search", panel.state.plan).table
    assert [name for name in table.columns if name.startswith("weight[")] == [first["title"]]
    assert table[first["title"]].between(0.2, 0.3).all()


@pytest.mark.slow
def test_trials_that_fail_are_said_and_the_search_goes_on(panel, state):
    def shaky(model):
        shaky.calls += 1
        if shaky.calls == 2:
            raise ValueError("no such luck")
        return float(shaky.calls)

    shaky.calls, shaky.lower = 0, False
    state.notes.set_score("shaky", shaky)
    found = searched(panel, scores=["shaky"])
    assert found["failed"] == 1
    assert found["notes"][0] == "1 of 4 trials failed: The score 'shaky' failed: ValueError: no such luck"
    assert len(found["curves"][0]["points"]) == 3


@pytest.mark.slow
def test_stopping_keeps_what_was_found(panel, state, monkeypatch):
    def slow(model):
        slow.calls += 1
        if slow.calls == 2:
            act(panel.view, "stop")
        return 1.0

    slow.calls, slow.lower = 0, True
    state.notes.set_score("slow", slow)
    found = searched(panel, scores=["slow"], trials=50)
    assert 1 <= found["trials"] < 50
    assert any("stopped" in note for note in found["notes"])


def test_what_cannot_be_searched_is_said(panel, state, tmp_path):
    for changes, words in [
        ({"scores": []}, "Choose at least one score"),
        ({"ranges": []}, "Choose at least one parameter"),
        ({"trials": 0}, "The field trials is wrong"),
        ({"storage": str(tmp_path / "none" / "s.db")}, "there is no folder"),
    ]:
        act(panel.view, "start", form=fields(panel, **changes))
        assert state.job.wait(60)
        assert words in panel.errors.value, changes
    (tmp_path / "x.db").write_text("not a database, but long enough to be looked at")
    act(panel.view, "start", form=fields(panel, storage=str(tmp_path / "x.db")))
    assert "is not a study, or is damaged" in panel.errors.value


@pytest.mark.slow
def test_scores_of_the_studio_can_be_held_out(panel, state):
    state.notes.set_score("other", Perplexity(OTHER))
    found = searched(panel, held_out={SCORE: "other"}, trials=2)
    expected = nbm.perplexity(nbm.live(state.history[1].recipe, progress=False), OTHER)
    assert found["curves"][0]["heldOut"][0][1] == pytest.approx(float(expected), rel=1e-3)


def test_long_names_of_models_are_short_in_the_form_and_the_table_and_whole_in_what_is_sent_back(tmp_path):
    base = make_model(tmp_path / "Mistral-7B-v0.3-shrunk-base")
    names = [f"Mistral-7B-v0.3-shrunk-{kind}-fine-tuned-for-a-long-time" for kind in ("math", "code")]
    models = [str(make_model(tmp_path / name, base=base, seed=i)) for i, name in enumerate(names)]
    sources = [{"model": model, "parameters": {"weight": 0.5}} for model in models]
    panel = SearchPanel({"merge_method": "task_arithmetic", "base_model": str(base), "models": sources})
    offered = panel.view.content["ranges"]
    assert [one["title"] for one in offered] == [f"weight[{name}]" for name in names]
    assert [one["short"] for one in offered] == [
        "weight[…math-fine-tuned-for-a-long-time]",
        "weight[…code-fine-tuned-for-a-long-time]",
    ]
    panel.close()
    table = describe_table(pd.DataFrame({"trial": [0], f"weight[{names[0]}]": [0.5]}), names)
    assert table["columns"] == ["trial", "weight[…math-fine-tuned-for-a…]"]
    assert table["whole"] == ["trial", f"weight[{names[0]}]"]
