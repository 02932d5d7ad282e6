"""The setup bar: one line for the whole setup, and problems that are solved by a button."""

from nbmerge.widgets import SetupBar
from tests.models import make_model
from tests.widgets.browser import act


def detail(bar):
    return bar.view.content["detail"]


def test_chips_status_and_merge_button_agree(state, tmp_path):
    bar = SetupBar(state=state)
    assert [c["name"] for c in detail(bar)["chips"]] == ["base", "ft1", "ft2"]
    assert detail(bar)["status"]["kind"] == "ready"
    assert detail(bar)["merge"]["ready"]
    assert detail(bar)["facts"].startswith("6 layers · ")
    act(bar.view, "add", path=str(make_model(tmp_path / "other", hidden=32, layers=6)))
    assert detail(bar)["status"]["kind"] == "bad"
    assert not detail(bar)["merge"]["ready"]
    assert [c["fit"] for c in detail(bar)["chips"]] == ["good", "good", "good", "bad"]
    (problem,) = detail(bar)["problems"]
    assert "other does not fit" in problem["title"]
    assert problem["remedies"] == ["Remove other"]
    assert len(problem["details"]) == 6
    act(bar.view, "remedy", group=0, remedy=0)
    assert detail(bar)["problems"] == []
    assert detail(bar)["merge"]["ready"]
    act(bar.view, "undo")
    assert detail(bar)["problems"]


def test_only_the_open_popover_is_sent(state):
    bar = SetupBar(state=state)
    assert detail(bar)["panels"] == {}
    for name in ("method", "models", "vocabulary", "merge", "save"):
        act(bar.view, "open", panel=name)
        assert list(detail(bar)["panels"]) == [name]
    act(bar.view, "open", panel="")
    assert detail(bar)["panels"] == {}


def test_vocabulary_and_dtype(state):
    bar = SetupBar(state=state)
    act(bar.view, "open", panel="vocabulary")
    act(bar.view, "choose_vocabulary", value="truncate")
    assert state.recipe.vocabulary == "truncate"
    assert detail(bar)["panels"]["vocabulary"]["value"] == "truncate"
    act(bar.view, "set_dtype", value="bfloat16")
    assert detail(bar)["facts"].endswith("bfloat16")
    act(bar.view, "set_dtype", value="")
    assert state.recipe.dtype is None


def test_without_models_it_describes_the_next_step():
    bar = SetupBar()
    assert detail(bar)["status"] == {
        "kind": "idle",
        "text": "Add a base model and one that was fine-tuned from it: press +.",
    }
    for name in ("method", "models", "vocabulary", "merge"):
        act(bar.view, "open", panel=name)
        assert bar.errors.value == ""
