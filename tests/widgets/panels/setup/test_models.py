"""The models: choosing, finding, comparing and refusing them."""

import threading

import pytest

from nbmerge import demo
from nbmerge.widgets import ModelsPanel
from tests.adapters import Q, make_adapter, modules
from tests.models import make_model
from tests.widgets.browser import act


def rows(panel):
    return {row["name"]: row for row in panel.view.content["detail"]["models"]}


def settle(panel):
    """Wait for what is read in threads."""
    assert panel.form.folder.runner.wait(20)


def folder(panel):
    settle(panel)
    return panel.view.content["detail"]["folder"]


def names(panel, *fields):
    return [tuple(row[field] for field in ("name", *fields)) for row in folder(panel)["rows"]]


def test_from_nothing_to_a_recipe(deep_family):
    panel = ModelsPanel()
    for path in (deep_family.base, deep_family.ft1, deep_family.ft2):
        act(panel.view, "add", path=str(path))
    assert panel.state.plan.parents == ("base", "ft1", "ft2")
    assert [r["role"] for r in rows(panel).values()] == ["base", "merged", "merged"]
    act(panel.view, "make_base", path=str(deep_family.ft1))
    assert panel.state.plan.parents[0] == "ft1"
    act(panel.view, "start_over")
    assert rows(panel) == {}


def test_a_model_whose_addition_is_undone_is_gone(state, deep_family, tmp_path):
    panel = ModelsPanel(state=state)
    before = list(rows(panel))
    act(panel.view, "add", path=str(make_model(tmp_path / "ft3", base=deep_family.base, seed=3)))
    assert list(rows(panel)) == [*before, "ft3"]
    state.undo()
    assert list(rows(panel)) == before
    state.redo()
    assert list(rows(panel)) == [*before, "ft3"]


def test_a_misfit_is_named_in_its_row_with_the_reason(state, tmp_path):
    panel = ModelsPanel(state=state)
    short = make_model(tmp_path / "short", layers=2)
    act(panel.view, "add", path=str(short))
    row = rows(panel)["short"]
    assert row["fit"] == "bad"
    assert "has 2 layers, base has 6" in row["reason"]
    assert [r["fit"] for r in rows(panel).values()].count("bad") == 1
    act(panel.view, "remove", path=str(short))
    assert state.plan is not None


def test_a_padded_vocabulary_is_one_verdict_everywhere(state, tmp_path):
    panel = ModelsPanel(state=state)
    act(panel.view, "add", path=str(make_model(tmp_path / "padded", layers=6, vocab=40)))
    assert state.plan is not None
    assert rows(panel)["padded"]["fit"] == "warning"
    assert [g.severity for g in state.groups] == ["warning"]


def test_an_adapter_that_was_found_is_added_to_the_base(tmp_path):
    panel = ModelsPanel()
    base = make_model(tmp_path / "models" / "base", layers=2)
    make_adapter(tmp_path / "models" / "french", base, modules(Q, layers=2))
    act(panel.view, "enter_folder", text="models")
    assert names(panel, "canAdd") == [("base", True), ("french", False)]
    act(panel.view, "add", path=folder(panel)["rows"][0]["path"])
    offer = folder(panel)["rows"][1]
    assert (offer["kind"], offer["detail"], offer["canAdd"]) == ("adapter", "base with this adapter", True)
    act(panel.view, "add", path=offer["path"])
    assert panel.state.plan.parents == ("base", "base+french")
    assert [row["chosen"] for row in folder(panel)["rows"]] == [True, True]
    assert panel.state.base == "models/base"  # as the notebook's folder has it


def test_folders_are_opened_from_the_one_of_the_notebook_and_remembered(tmp_path):
    make_model(tmp_path / "a" / "family" / "<b>one", layers=1)
    (tmp_path / "a" / "family" / "<b>one" / "checkpoint-5").mkdir()
    panel = ModelsPanel()
    assert folder(panel)["path"] == str(tmp_path)
    act(panel.view, "browse", path=next(row["opens"] for row in folder(panel)["rows"] if row["name"] == "a"))
    act(panel.view, "browse", path=folder(panel)["rows"][0]["opens"])
    assert names(panel, "kind") == [("<b>one", "model")]
    assert folder(panel)["rows"][0]["opens"].endswith("<b>one")  # there are folders in it
    act(panel.view, "browse", path=folder(panel)["parent"])
    assert names(panel, "kind") == [("family", "folder")]
    act(panel.view, "search_folder")
    assert (names(panel), folder(panel)["below"]) == ([("family/<b>one",)], True)
    panel.close()
    assert folder(ModelsPanel(state=panel.state))["path"] == str(tmp_path / "a")


def test_those_who_bring_their_own_models_are_told_how_to_leave_the_bundled_ones(state):
    assert "press Start over first" in ModelsPanel(demo.recipe()).view.content["detail"]["hint"]
    assert ModelsPanel(state=state).view.content["detail"]["hint"] == ""


def test_a_path_is_entered_relative_to_the_folder_and_completed(tmp_path):
    make_model(tmp_path / "a" / "models" / "one", layers=1)
    (tmp_path / "a" / "model").write_text("")
    panel = ModelsPanel()
    act(panel.view, "enter_folder", text="a")
    settle(panel)
    act(panel.view, "complete", text="mod")
    assert panel.form.folder._completer.wait(20)
    assert folder(panel)["completions"] == ["models/"]
    act(panel.view, "enter_folder", text="models/one")  # a model itself is added
    settle(panel)
    assert list(rows(panel)) == ["one"]
    assert folder(panel)["path"] == str(tmp_path / "a")


def test_what_is_on_screen_is_what_the_last_thread_has_found(tmp_path, monkeypatch):
    """A thread that began to draw before another one, and ends after it, does not bring back what was there before."""
    (tmp_path / "a").mkdir()
    panel = ModelsPanel()
    settle(panel)
    draw, begun, over = panel.view.draw, threading.Event(), threading.Event()

    def draw_late(content):
        if threading.current_thread() is other:
            begun.set()
            over.wait(0.1)
        draw(content)

    monkeypatch.setattr(panel.view, "draw", draw_late)
    other = threading.Thread(target=panel.form.on_change)
    other.start()
    assert begun.wait(20)
    act(panel.view, "enter_folder", text="a")
    settle(panel)
    over.set()
    other.join()
    assert folder(panel)["path"] == str(tmp_path / "a")


def test_a_folder_that_is_gone_is_left_for_the_nearest_one_with_a_sentence(tmp_path):
    (tmp_path / "there" / "gone").mkdir(parents=True)
    panel = ModelsPanel()
    act(panel.view, "enter_folder", text="there/gone")
    settle(panel)
    (tmp_path / "there" / "gone").rmdir()
    again = ModelsPanel(state=panel.state)
    assert folder(again)["path"] == str(tmp_path / "there")
    assert "gone cannot be opened any more" in again.view.content["detail"]["fault"]


@pytest.mark.parametrize(
    ("action", "arguments", "words"),
    [
        ("add", {"path": "/no/such"}, "neither a local folder"),
        ("enter_folder", {"text": "/no/such"}, "is not a folder"),
        ("enter_folder", {"text": "org/model"}, "enter it under 'A model of the Hugging Face Hub'"),
        ("enter_folder", {"text": "~nobody-here/x"}, "cannot be opened"),
        ("enter_folder", {"text": "a\0b"}, "is not a folder"),
        ("enter_folder", {"text": "x" * 5000}, "cannot be read"),
        ("browse", {"path": "/no/such\0"}, "is not a folder"),
    ],
)
def test_the_form_refuses_invalid_models_until_they_are_valid(state, deep_family, action, arguments, words):
    panel = ModelsPanel(state=state)
    act(panel.view, action, **arguments)
    settle(panel)
    detail = panel.view.content["detail"]
    assert words in detail["fault"]
    assert (detail["busy"], detail["folder"]["busy"]) == ("", "")
    act(panel.view, "make_base", path=str(deep_family.ft1))
    assert panel.view.content["detail"]["fault"] == ""  # a message ends with its cause


def test_slerp_is_swapped_and_reports_what_it_leaves_out(state):
    panel = ModelsPanel(state=state)
    state.use_method("slerp")
    detail = panel.view.content["detail"]
    assert detail["swap"]
    assert "does not use base" in detail["hint"]
    assert rows(panel)["base"]["role"] == "base"
    act(panel.view, "swap")
    assert [s.model.name for s in state.recipe.models] == ["ft2", "ft1"]
