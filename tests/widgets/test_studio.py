import ipywidgets
import pytest

from nbmerge.methods import methods
from nbmerge.recipe import Recipe
from nbmerge.widgets import Studio, StudioState
from nbmerge.widgets.state.verdict import judge
from tests.costs import rest_is_slow
from tests.mixtures import mixture
from tests.models import make_family
from tests.widgets.browser import act


def move(studio, value):
    act(studio.tracks.view, "curve.set_knots", knots=[[0, 0.1], [2, value], [5, 0.2]], gesture=1)


def test_a_layers_tensors_are_opened_from_the_tracks():
    studio = Studio(save=False)
    assert studio.tracks.view.content["rows"]["formula"]["canOpen"]
    act(studio.tracks.view, "formula.open", column=3)
    assert studio.drawer.opened == "Tensors"
    assert studio.tensors.view.content["matching"] < studio.tensors.view.content["total"]
    studio.close()


def test_panels_share_one_state(recipe):
    studio = Studio(recipe)
    assert studio.recipe == recipe
    move(studio, 0.77)
    assert "0.77" in studio.recipe_panel.view.content["text"]
    studio.recipe = recipe
    assert studio.tracks.view.content["rows"]["curve"]["knots"][1]["value"] == 0.5
    assert studio.errors.value == ""


def test_the_drawer_makes_a_panel_when_its_tab_is_first_opened(recipe):
    studio = Studio(recipe)
    before = len(ipywidgets.widgets.widget._instances)
    act(studio.drawer.view, "toggle", tab="Recipe")
    assert len(ipywidgets.widgets.widget._instances) > before
    assert studio.recipe_panel.in_view
    move(studio, 0.77)
    assert "0.77" in studio.recipe_panel.view.content["text"]
    act(studio.drawer.view, "toggle", tab="Tokens")
    assert not studio.recipe_panel.in_view
    move(studio, 0.55)
    assert "0.55" not in studio.recipe_panel.view.content["text"]
    act(studio.drawer.view, "toggle", tab="Tokens")
    assert studio.drawer.box.children == ()
    act(studio.drawer.view, "toggle", tab="Recipe")
    assert "0.55" in studio.recipe_panel.view.content["text"]


def test_its_repr_is_worth_reading(recipe):
    text = repr(Studio(recipe))
    assert text.startswith("<Studio <Recipe task_arithmetic")
    assert "merge_method: task_arithmetic" in text


def test_the_status_follows_the_recipe(recipe):
    state = StudioState()
    assert judge(state).kind == "idle"
    state.set_recipe(recipe)
    assert judge(state).kind == "ready"
    assert "base, ft1, ft2" in judge(state).text
    state.set_recipe(recipe.replace(merge_method="tiess"))
    assert "1 problem to solve" in judge(state).text
    state.undo()
    state.apply_text("merge_method: [")
    assert "not applied" in judge(state).text


def test_nothing_given_starts_with_the_bundled_family_if_there_is_one():
    studio = Studio()
    assert studio.errors.value == ""
    assert studio.recipe is None or studio.state.plan is not None


QUICK = ("linear", "slerp", "della", "passthrough", "karcher")


@pytest.mark.parametrize("method", rest_is_slow(methods(), QUICK))
@pytest.mark.rest_is_slow(keep=3)
def test_every_method_can_be_chosen_and_drawn(recipe, method):
    studio = Studio(recipe)
    studio.method.choose(method)
    panels = (studio.setup, studio.tracks, studio.recipe_panel, studio.samples, studio.scores)
    assert [p.errors.value for p in panels] == [""] * len(panels)
    assert studio.state.plan is not None, studio.state.problems
    if "curve" in studio.tracks.view.content["rows"]:
        move(studio, 0.61)
        assert studio.tracks.errors.value == ""
        assert "0.61" in studio.state.text


def test_a_mixture_is_edited_as_text_and_exported(tmp_path):
    family = make_family(tmp_path)
    studio = Studio(Recipe.of(mixture(family.base, [family.ft1, family.ft2])), save=False)
    for tab in (
        "Recipe",
        "Tensors",
        "Tokens",
        "Text",
        "History",
        "Compare",
        "Sweep",
        "Structure",
        "Search",
        "Gather",
        "Python",
    ):
        act(studio.drawer.view, "toggle", tab=tab)
    assert studio.errors.value == ""
    studio.state.apply_text(studio.state.text.replace("positive_prompts: [some text]", "positive_prompts: [other]"))
    assert studio.recipe.experts[1].positive_prompts == ("other",)
    assert studio.state.plan is not None, studio.state.problems
    assert judge(studio.state).kind == "ready"
    panels = (studio.setup, studio.tracks, studio.recipe_panel, studio.samples, studio.scores)
    assert [p.errors.value for p in panels] == [""] * len(panels)
    assert "Mixture of experts" in studio.export(tmp_path / "page.html").read_text(encoding="utf-8")
    studio.method.choose("linear")  # the experts become the models of a merge
    assert [source.model.name for source in studio.recipe.models] == ["ft1", "ft2"]
    studio.close()
