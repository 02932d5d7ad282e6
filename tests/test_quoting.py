"""Messages quote little of what they are about, and nothing that a terminal obeys."""

import json

import pytest

from nbmerge import check
from nbmerge.checkpoints import Checkpoint
from nbmerge.errors import CheckpointError, OutputError, RecipeError
from nbmerge.problems import Problem
from nbmerge.quoting import MOST, MOST_OF_MESSAGE, quote, readable
from nbmerge.recipe import Recipe
from tests.models import make_model

LONG = "x" * 5000


@pytest.mark.parametrize("text", ["", "short", "a sentence. Another one.", "two\nlines", "/a/path", "'quoted' it's"])
def test_ordinary_messages_stay_as_they_are(text):
    assert readable(text) == text


@pytest.mark.parametrize("long", [LONG, "word " * 1000, "é" * 1000])
def test_quotations_are_shortened_in_the_middle(long):
    said = readable(f"the key '{long}' is unknown. Remove it.")
    assert said.startswith("the key '")
    assert said.endswith("' is unknown. Remove it.")
    assert len(said) < MOST + 50


def test_paths_may_be_longer_and_all_else_ends():
    path = "/tmp" + "/folder" * 60
    assert readable(f"{path} is not there.") == f"{path} is not there."
    assert len(readable("/" + LONG)) <= MOST
    assert len(readable("word " * 9000)) <= MOST_OF_MESSAGE
    assert len(quote({"a": LONG})) <= MOST


@pytest.mark.parametrize("text", ["\x1b[2Jgone", "\u202egpj", "\x07", "\ud83d"])
def test_control_characters_are_quoted(text):
    for said in (readable(text), quote(text), str(OutputError(text)), str(Problem("error", (text,), text, text))):
        assert text not in said
        said.encode()


@pytest.mark.parametrize(
    "recipe",
    [
        {"merge_method": LONG, "models": ["a"]},
        {"merge_method": "linear", "models": [LONG]},
        {"merge_method": "linear", "models": ["a"], LONG: 1},
        {"merge_method": "linear", "models": ["a"], "dtype": LONG},
        {"merge_method": "linear", "models": ["a"], "parameters": {LONG: 1}},
        {"merge_method": "linear", "models": ["a"], "parameters": {"weight": {"filter": [LONG], "value": 1}}},
        {"merge_method": "linear", "models": ["a"], "vocabulary": LONG},
        f"merge_method: linear\n? {LONG}\n: 1\n{LONG}: 2\nmodels: [a]",
        f"merge_method: !{LONG} linear",
    ],
    ids=lambda r: str(r)[:30],
)
def test_recipes(recipe):
    try:
        found = [str(p) for p in check(recipe).problems]
    except RecipeError as error:
        found = str(error).split("\n")
    assert found
    assert all("x" * (MOST + 1) not in p for p in found)


def test_models(tmp_path):
    folder = make_model(tmp_path / "m", config={"num_hidden_layers": 10**9, LONG: 1})
    with pytest.raises(CheckpointError) as caught:
        Checkpoint.open(folder)
    assert len(str(caught.value)) < 500
    (folder / "config.json").write_text(json.dumps({"quantization_config": {"quant_method": LONG}}))
    with pytest.raises(CheckpointError) as caught:
        Checkpoint.open(folder)
    assert "x" * (MOST + 1) not in str(caught.value)


def test_a_thousand_problems_are_counted():
    error = RecipeError([Problem("error", ("models", i), "it is wrong.") for i in range(1000)])
    assert str(error).count("\n") == 100
    assert str(error).endswith("... and 900 more.")
    assert len(error.problems) == 1000


def test_a_recipe_may_still_be_loaded():
    assert Recipe.load({"merge_method": "linear", "models": ["a"]}).merge_method == "linear"
