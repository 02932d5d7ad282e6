"""`nbmerge shuffle-layers`."""

import json

from nbmerge.engine.shuffle import shuffle_layers
from nbmerge.recipe import Recipe
from tests.cli.commands import run


def test_a_recipe_is_written_and_merged_by_the_usual_command(family, tmp_path):
    words = ("shuffle-layers", family.ft1, family.ft2, "--seed", "2", "-w", "1", "-w", "2", "--dtype", "float16")
    shown = run(*words)
    assert shown.exit_code == 0
    wanted = shuffle_layers([family.ft1, family.ft2], seed=2, weights=[1, 2], dtype="float16")
    assert Recipe.load(shown.stdout) == wanted
    merged = run("merge", "-", tmp_path / "out", "--quiet", input=shown.stdout)
    assert merged.exit_code == 0
    assert Recipe.load(tmp_path / "out") == wanted
    assert run(*words, "-o", tmp_path / "r.yml").stdout == ""
    found = json.loads(run(*words, "--json").stdout)
    assert Recipe.load(tmp_path / "r.yml").fingerprint == found["fingerprint"] == wanted.fingerprint


def test_impossible_options(family):
    refused = run("shuffle-layers", family.ft1, family.ft2, "--max-shift", "1", "--full-random")
    assert refused.exit_code == 1
    assert "full_random" in refused.stderr
