"""A Hub id typed into the Studio: its facts at once, its weights with the merge."""

from nbmerge.progress import Event
from nbmerge.recipe import Recipe
from nbmerge.widgets import ModelsPanel
from nbmerge.widgets.controls.progress_text import describe_progress
from tests.widgets.browser import act


def look(panel: ModelsPanel, name: str) -> None:
    act(panel.view, "look_up", name=name)
    assert panel.form.runner.wait(20)


def test_a_model_of_the_hub_is_added(online, family):
    online.add("org/base", family.base)
    online.add("org/ft1", family.ft1)
    panel = ModelsPanel()
    look(panel, "org/base")
    look(panel, "org/ft1@main")
    assert (panel.state.base, panel.state.models) == ("org/base", ("org/ft1@main",))
    detail = panel.view.content["detail"]
    assert all("to download" in row["facts"][4] for row in detail["models"])
    assert detail["models"][0]["facts"][5] == "LlamaForCausalLM"
    assert detail["busy"] == ""
    assert panel.errors.value == ""
    assert isinstance(panel.state.recipe, Recipe)
    pinned = {r.path: r.revision for r in panel.state.plan.recipe.references}
    assert pinned == {name: repo.branches["main"] for name, repo in online.repos.items()}


def test_what_the_hub_refuses_is_shown(online):
    panel = ModelsPanel()
    look(panel, "org/<b>nothing")
    assert "<b>nothing" in panel.view.content["detail"]["fault"]  # which the browser shows as text
    look(panel, "org/nothing")
    assert "hf auth login" in panel.view.content["detail"]["fault"]
    assert panel.view.content["detail"]["busy"] == ""


def test_a_download_in_words():
    event = Event("fetching", 4, 4_000_000, "model.safetensors", 1, 1_000_000, 2.0)
    assert describe_progress(event) == "downloading 1 MB of 4 MB"
