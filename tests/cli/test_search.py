"""``nbmerge search`` prints the best recipe, continues a study, and names texts that cannot be read."""

import json

import pytest

pytest.importorskip("optuna", reason="needs Optuna: pip install 'nbmerge[search]'")

from nbmerge.recipe import Recipe
from tests.cli.commands import run
from tests.models import make_family


@pytest.fixture
def place(tmp_path):
    family = make_family(tmp_path / "models")
    models = [{"model": str(m), "parameters": {"weight": 0.5}} for m in (family.ft1, family.ft2)]
    recipe = Recipe.of({"merge_method": "linear", "models": models})
    (tmp_path / "recipe.yml").write_text(recipe.to_yaml())
    (tmp_path / "story.txt").write_text("the fox went to the river.")
    (tmp_path / "other.txt").write_text("a bear slept in the barn.")
    return tmp_path


@pytest.mark.slow
def test_the_best_recipe_is_printed_and_written(place):
    words = [
        "search",
        place / "recipe.yml",
        "--text",
        place / "story.txt",
        "--held-out",
        f"story={place / 'other.txt'}",
    ]
    words += ["--trials", 4, "--knots", 1, "--storage", place / "s.db"]
    printed = run(*words)
    assert printed.exit_code == 0, printed.output
    assert "of 4: story " in printed.stdout.splitlines()[0]
    assert "held out story" in printed.stdout.splitlines()[0]
    written = run(*words, "--out", place / "best.yml")
    assert written.exit_code == 0, written.output
    assert Recipe.load(place / "best.yml") == Recipe.load(printed.stdout)
    refused = run(*words, "--out", place / "best.yml")
    assert refused.exit_code == 1
    assert "--overwrite" in refused.output
    report = json.loads(run(*words, "--json").stdout)
    assert [row["trial"] for row in report["trials"]] == [0, 1, 2, 3]
    assert report["best"] in report["front"]


@pytest.mark.parametrize(("text", "what"), [("no.txt", "cannot be read"), ("empty.txt", "is empty")])
def test_texts_that_cannot_be_used(place, text, what):
    (place / "empty.txt").write_text(" ")
    done = run("search", place / "recipe.yml", "--text", place / text)
    assert done.exit_code == 1
    assert what in done.output
