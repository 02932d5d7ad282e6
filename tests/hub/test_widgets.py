"""A Hub id typed into the Studio: its facts at once, its weights with the merge."""

from nbmerge.progress import Event
from nbmerge.recipe import Recipe
from nbmerge.widgets.controls.job_row import describe_progress
from nbmerge.widgets.panels.models import HUB, ModelsPanel
from nbmerge.widgets.state.studio_state import StudioState


def look(panel: ModelsPanel, name: str) -> None:
    panel.from_.value = HUB
    panel.id.value = name
    panel.add.click()
    assert panel.looking.wait(20)


def test_a_model_of_the_hub_is_added(online, family):
    online.add("org/base", family.base)
    online.add("org/ft1", family.ft1)
    panel = ModelsPanel(state=StudioState())
    look(panel, "org/base")
    look(panel, " org/ft1@main ")
    assert (panel.state.base, panel.state.models) == ("org/base", ("org/ft1@main",))
    assert "to download" in panel.table.value
    assert "LlamaForCausalLM" in panel.table.value
    assert panel.errors.value == ""
    assert panel.id.value == ""
    assert not panel.add.disabled
    assert isinstance(panel.state.recipe, Recipe)
    pinned = {r.path: r.revision for r in panel.state.plan.recipe.references}
    assert pinned == {name: repo.branches["main"] for name, repo in online.repos.items()}


def test_what_the_hub_refuses_is_shown(online):
    panel = ModelsPanel(state=StudioState())
    look(panel, "org/<b>nothing")
    assert "&lt;b&gt;nothing" in panel.errors.value
    look(panel, "org/nothing")
    assert "hf auth login" in panel.errors.value
    assert not panel.add.disabled
    look(panel, "")
    assert "Enter the id" in panel.errors.value


def test_a_download_in_words():
    event = Event("fetching", 4, 4_000_000, "model.safetensors", 1, 1_000_000, 2.0)
    assert describe_progress(event) == "downloading 1 MB of 4 MB, about 6 s left"
