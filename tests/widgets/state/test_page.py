"""A Studio as a page: what was recorded goes into it, and the toolbar sends it to the browser that asks."""

from __future__ import annotations

import json
import re

import pytest

import nbmerge as nbm
from nbmerge.errors import NbmergeError, OutputError
from nbmerge.widgets import TracksPanel
from tests.models import make_family
from tests.widgets.browser import act


@pytest.fixture(scope="module")
def recipe(tmp_path_factory):
    family = make_family(tmp_path_factory.mktemp("family"), layers=4)
    models = [{"model": str(m), "parameters": {"weight": [0, 1]}} for m in (family.ft1, family.ft2)]
    return nbm.Recipe.of({"merge_method": "task_arithmetic", "base_model": str(family.base), "models": models})


def data_of(page: str) -> dict:
    return json.loads(re.search(r'id="data">(.*?)</script>', page, re.DOTALL)[1])


@pytest.mark.slow
def test_a_studio_exports_its_texts_scores_and_pins(recipe, tmp_path):
    studio = nbm.Studio(recipe, save=False)
    try:
        studio.state.notes.add_pin("flat", recipe.with_parameter("weight", 0.5))
        pinned = studio.state.history.find(recipe.with_parameter("weight", 0.5).fingerprint)
        studio.state.history.note(pinned.id, scores={"skill": 0.25})
        studio.samples.length, studio.state.prompts = 2, "a b"
        studio.samples.generate()
        studio.samples.runner.wait()
        page = studio.export(tmp_path / "page.html", title="A lecture", progress=False)
        data = data_of(page.read_text(encoding="utf-8"))
        assert (data["title"], data["still"]) == ("A lecture", "")
        assert data["recipe"]["text"] == studio.state.text
        assert data["scores"] == {"names": ["skill"], "models": [{"name": "flat", "values": [0.25]}]}
        assert [pin["name"] for pin in data["pins"]] == ["flat"]
        assert {model["name"] for model in data["samples"]["models"]} >= {"this recipe", "ft1"}
        assert data["samples"]["prompts"] == ["a b"]
        assert studio.state.measurements.follows(studio.state.plan)  # measured once, for the Studio too
        with pytest.raises(OutputError, match="overwrite"):
            studio.export(page)
    finally:
        studio.close()


@pytest.mark.slow
def test_texts_of_an_earlier_recipe_are_left_out(recipe, tmp_path):
    studio = nbm.Studio(recipe, save=False)
    try:
        studio.samples.length, studio.state.prompts = 2, "a b"
        studio.samples.generate()
        studio.samples.runner.wait()
        studio.recipe = recipe.with_parameter("weight", 0.7)
        data = data_of(studio.export(tmp_path / "page.html", progress=False).read_text(encoding="utf-8"))
        assert "this recipe" not in {model["name"] for model in data["samples"]["models"]}
    finally:
        studio.close()


def test_the_toolbar_sends_a_page(recipe):
    panel = TracksPanel(recipe)
    sent = []
    panel.view.send = lambda content, buffers=None: sent.append((content, buffers))
    act(panel.view, "figure.save_page", window="w")
    panel.state.job.wait()
    (content, buffers) = next(pair for pair in sent if "file" in pair[0])
    assert (content["file"], content["window"]) == ("task_arithmetic.html", "w")
    assert data_of(buffers[0].decode())["still"] == ""
    assert panel.errors.value == ""
    panel.close()


def test_a_recipe_with_errors_is_not_exported(recipe, tmp_path):
    studio = nbm.Studio(recipe, save=False)
    studio.state.edit(lambda r: r.with_parameter("no_such_parameter", 1))
    with pytest.raises(NbmergeError, match="Fix the errors"):
        studio.export(tmp_path / "page.html")
    studio.close()
