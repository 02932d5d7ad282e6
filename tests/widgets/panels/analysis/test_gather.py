"""The Gather panel: from a problem to a recipe whose statistics are there."""

import json

import pytest

from nbmerge.analysis.gathering import gather_statistics
from nbmerge.errors import ArgumentError
from nbmerge.recipe import ModelRef, Recipe
from nbmerge.widgets import GatherPanel, SetupBar, Studio, StudioState
from nbmerge.widgets.panels.analysis.gather import name_statistics
from nbmerge.widgets.state.texts import read_texts
from tests.models import gradient_recipe
from tests.widgets.browser import act


@pytest.fixture
def state(family, tmp_path, monkeypatch):
    monkeypatch.setenv("NBMERGE_CACHE", str(tmp_path / "cache"))
    return StudioState(Recipe.of({"merge_method": "regmean", "models": [str(family.ft1), str(family.ft2)]}))


def models_of(state):
    return [str(source.model) for source in state.recipe.models]


def test_a_problem_leads_to_the_form_and_the_form_to_a_recipe_without_problems(state, tmp_path):
    studio = Studio(state=state, save=False)
    (problem,) = studio.setup.view.content["detail"]["problems"]
    assert problem["title"] == "Without statistics of texts this is the weighted mean of the models."
    assert problem["remedies"] == ["Gather statistics from texts …"]
    act(studio.setup.view, "remedy", group=0, remedy=0)
    assert studio.drawer.opened == "Gather"
    (tmp_path / "texts.txt").write_text("the fox went\n\nto the river\n")
    first, second = models_of(state)
    view = studio.gather.view
    act(view, "gather", sources=[
        {"model": first, "typed": "", "file": str(tmp_path / "texts.txt")},
        {"model": second, "typed": "and the lion came\nor did not", "file": ""},
    ])  # fmt: skip
    assert state.job.wait(60)
    assert studio.gather.errors.value == ""
    expected = gather_statistics(
        Recipe.of({"merge_method": "regmean", "models": [first, second]}),
        {first: ["the fox went", "to the river"], second: ["and the lion came", "or did not"]}, progress=False,
    )  # fmt: skip
    assert state.recipe == expected.recipe
    assert expected.tokens == {first: 0, second: 0}  # found again
    assert not state.groups
    assert "The recipe has its statistics." in view.content["note"]
    assert view.content["note"].startswith("Gathered from ")
    studio.close()


@pytest.mark.slow
def test_statistics_that_are_gone_are_an_error_with_the_same_way_out(state, tmp_path):
    panel = GatherPanel(state=state)
    act(panel.view, "gather", sources=[{"model": "", "typed": "the fox went", "file": ""}])
    assert state.job.wait(60)
    assert panel.errors.value == ""
    for file in (tmp_path / "cache").rglob("*.safetensors"):
        file.unlink()
    state.set_recipe(state.recipe.with_parameter("weight", 0.5))
    assert [group.severity for group in state.groups] == ["error"]
    bar = SetupBar(state=state)
    bar.connect(lambda tab: None, ("Gather",))
    assert bar.view.content["detail"]["problems"][0]["remedies"][-1] == "Gather statistics from texts …"
    act(panel.view, "gather", sources=[{"model": "", "typed": "the fox went", "file": ""}])
    assert state.job.wait(60)
    assert not state.groups
    assert state.plan is not None


def test_statistics_are_not_named_for_another_method(state):
    panel = GatherPanel(state=state)
    named = {ModelRef.of(model): "regmean-0" for model in models_of(state)}
    for method in ("linear", "fisher"):
        other = state.recipe.replace(merge_method=method)
        assert name_statistics(other, "regmean", named) is other
    assert "regmean-0" in name_statistics(state.recipe, "regmean", named).to_yaml()
    panel.close()


def test_what_cannot_be_gathered_is_said(state, deep_family):
    panel = GatherPanel(state=state)
    act(panel.view, "gather", sources=[{"model": "", "typed": " \n", "file": ""}])
    assert "There are no texts for the models" in panel.errors.value
    act(panel.view, "gather", sources=[{"model": "", "typed": "", "file": "none.txt"}])
    assert "There is no file none.txt" in panel.errors.value
    other = GatherPanel(gradient_recipe(deep_family))
    assert not other.view.content["ready"]
    assert other.view.content["note"] == "This method needs no statistics of texts."


def test_texts_of_files(tmp_path):
    (tmp_path / "a.jsonl").write_text('"one"\n{"text": "two"}\n')
    (tmp_path / "b.json").write_text(json.dumps(["one", {"text": "two"}, " "]))
    assert read_texts(tmp_path / "a.jsonl") == read_texts(tmp_path / "b.json") == ("one", "two")
    for name, content, words in (
        ("c.json", "[", "not valid JSON"),
        ("d.txt", "\n", "has no text"),
        ("e.json", "[1]", "is a string"),
    ):
        (tmp_path / name).write_text(content)
        with pytest.raises(ArgumentError, match=words):
            read_texts(tmp_path / name)
