"""Commands that read recipes and headers only: check, plan, convert."""

import errno
import json
import os
import re

import pandas as pd
import pytest

from nbmerge.engine.planning.planner import plan
from nbmerge.recipe import Recipe
from tests.cli.commands import run

# --- check


def test_check_of_a_good_recipe(recipe):
    done = run("check", recipe)
    assert done.exit_code == 0
    assert "of memory" in done.stdout


def test_check_finds_all_problems_with_their_lines(recipe):
    recipe.write_text(recipe.read_text().replace("weight: 0.3", "wieght: 0.3").replace("ft1", "lost"))
    done = run("check", recipe)
    assert done.exit_code == 1
    assert "line 4, models[0].model" in done.stdout
    assert "Did you mean 'weight'?" in done.stdout


def test_check_as_json(recipe, tmp_path):
    good = json.loads(run("check", recipe, "--json").stdout)
    assert good["ok"]
    assert good["forecast"]["bytes_written"] == plan(Recipe.load(recipe)).bytes_written
    assert "seconds" not in good["forecast"]
    assert json.loads(run("check", recipe, "--json", "--time").stdout)["forecast"]["seconds"] > 0
    recipe.write_text("merge_method: [")
    done = run("check", recipe, "--json")
    assert done.exit_code == 1
    assert json.loads(done.stdout)["problems"][0]["severity"] == "error"


def test_a_quiet_check_prints_only_errors(recipe):
    assert run("check", recipe, "--quiet").stdout == ""
    recipe.write_text(recipe.read_text().replace("weight: 0.3", "wieght: 0.3"))
    done = run("check", recipe, "--quiet")
    assert done.exit_code == 1
    assert done.stdout.startswith("error: ")


def test_check_looks_at_the_output_too(recipe, family):
    done = run("check", recipe, "--out", family.base)
    assert done.exit_code == 1
    assert "overlaps the input model" in done.stdout


def test_a_recipe_from_standard_input(recipe):
    assert run("check", "-", input=recipe.read_text()).exit_code == 0


# --- plan


def test_plan_as_a_table(recipe):
    """Values that vary are columns, the others are printed once above them; in a pipe nothing is shortened or coloured."""
    above, table = run("plan", recipe).stdout.split("\n\n")
    assert [line.split() for line in above.splitlines()] == [
        ["method", "task_arithmetic"],
        ["inputs", "base", "+", "ft1", "+", "ft2"],
        ["normalize", "false"],
        ["lambda", "1"],
        ["weight", "ft2", "0.3"],
    ]
    head, *rows = table.splitlines()
    assert head.split() == ["tensor", "layer", "kind", "weight[ft1]"]
    assert [row.split()[0] for row in rows] == [t.name for t in plan(Recipe.load(recipe)).tensors]
    assert ["model.layers.1.mlp.up_proj.weight", "1", "mlp", "0.5"] in [row.split() for row in rows]
    assert "\x1b" not in table


def test_plan_with_why(recipe):
    recipe.write_text(recipe.read_text().replace("weight: 0.3", "weight: [{filter: mlp, value: 0.3}, {value: 1}]"))
    assert "decided by" not in run("plan", recipe).stdout
    above, table = run("plan", recipe, "--why").stdout.split("\n\n")
    assert re.search(r"^weight\[ft1\] decided by +models\[0\].parameters.weight *$", above, re.MULTILINE)
    reasons = {row.split()[0]: row.split()[-1] for row in table.splitlines()}
    assert reasons["model.layers.0.mlp.up_proj.weight"] == "models[1].parameters.weight[0]"
    assert reasons["model.norm.weight"] == "models[1].parameters.weight[1]"


def test_plan_as_json_and_csv(recipe, tmp_path):
    expected = plan(Recipe.load(recipe)).values()
    rows = json.loads(run("plan", recipe, "--json").stdout)
    assert [r["weight[ft1]"] for r in rows] == expected["weight[ft1]"].tolist()
    file = tmp_path / "plan.csv"
    file.write_text(run("plan", recipe, "--csv").stdout)
    assert pd.read_csv(file)["tensor"].tolist() == expected["tensor"].tolist()
    assert run("plan", recipe, "--csv", "--json").exit_code == 2


# --- convert


def test_convert_as_json(recipe, tmp_path):
    output = json.loads(run("convert", recipe, "--json", "--out", tmp_path / "r.yml").stdout)
    wanted = Recipe.load(recipe)
    assert set(output) == {
        "ok", "problems", "origin", "fingerprint", "recipe", "yaml", "mergekit", "python", "words",
    }  # fmt: skip
    assert output["fingerprint"] == wanted.fingerprint
    assert Recipe.of(output["recipe"]) == Recipe.load(output["yaml"]) == Recipe.load(tmp_path / "r.yml") == wanted
    assert output["mergekit"]["same"]
    assert {p["severity"] for p in output["mergekit"]["lost"]} <= {"info"}


@pytest.mark.parametrize("command", ["check", "convert", "plan"])
def test_errors_of_a_recipe_as_json(command, tmp_path):
    file = tmp_path / "r.yml"
    file.write_text("merge_method: slerp\nmodel: [a, b]\n")
    done = run(command, file, "--json")
    assert done.exit_code == 1
    output = json.loads(done.stdout)
    assert output["ok"] is False
    first = output["problems"][0]
    assert set(first) == {"severity", "where", "place", "what", "how", "line"}
    assert (first["where"], first["line"]) == (["model"], 2)


def test_notes_on_a_source_as_json():
    output = json.loads(run("convert", "-", "--json", input="0,1,0.5" + ",0" * 17).stdout)
    assert output["origin"].startswith("supermerger") or "block weights" in output["origin"]
    assert {p["severity"] for p in output["problems"]} <= {"info", "warning"}


def test_convert_writes_yaml_with_the_same_meaning(recipe, tmp_path):
    out = tmp_path / "new.yml"
    assert run("convert", recipe, "-o", out).exit_code == 0
    assert plan(Recipe.load(out)).tensors == plan(Recipe.load(recipe)).tensors
    done = run("convert", recipe)
    assert done.stdout == out.read_text()
    assert "Read the YAML file recipe.yml." in done.stderr


def test_every_command_that_reads_a_recipe_takes_a_dialect(family, tmp_path):
    data = {
        "merge_method": "task_arithmetic", "base_model": str(family.base), "tokenizer_source": "union",
        "models": [{"model": str(family.ft1), "parameters": {"weight": 1}}],
    }  # fmt: skip
    file = tmp_path / "recipe.yml"
    file.write_text(json.dumps(data))
    old = ("--dialect", "mergekit-0.0")
    for command in (("check",), ("plan",), ("merge", tmp_path / "out")):
        name, *out = command
        done = run(name, file, *out, *old)
        assert done.exit_code == 1
        assert "dialect mergekit-0.0" in done.output, name
    assert run("check", file, "--dialect", "mergekit-0.1").exit_code == 0


def test_convert_with_a_dialect(recipe):
    old = Recipe.load(run("convert", recipe, "--dialect", "mergekit-0.1").stdout)
    assert plan(old)["lm_head.weight"].values.each["weight"][1] == 0
    assert plan(Recipe.load(recipe))["lm_head.weight"].values.each["weight"][1] == 1


def test_convert_replaces_nothing_without_overwrite(recipe):
    text = recipe.read_text()
    done = run("convert", recipe, "-o", recipe)
    assert done.exit_code == 1
    assert recipe.read_text() == text
    assert run("convert", recipe, "-o", recipe, "--overwrite").exit_code == 0
    assert run("convert", recipe, "-o", recipe.parent, "--overwrite").exit_code == 1


def test_convert_keeps_the_old_file_when_the_disk_is_full(recipe, tmp_path, monkeypatch):
    def full_disk(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    old = tmp_path / "old.yml"
    old.write_text("years")
    monkeypatch.setattr(os, "fsync", full_disk)
    done = run("convert", recipe, "-o", old, "--overwrite")
    assert done.exit_code == 1
    assert "No space left" in done.stderr
    assert old.read_text() == "years"
    assert not list(tmp_path.glob(".*"))


def test_convert_keeps_links_and_modes(recipe, tmp_path):
    old, link = tmp_path / "old.yml", tmp_path / "link.yml"
    old.write_text("old")
    old.chmod(0o600)
    link.symlink_to(old)
    assert run("convert", recipe, "-o", link, "--overwrite").exit_code == 0
    assert link.is_symlink()
    assert old.read_text() != "old"
    assert old.stat().st_mode & 0o777 == 0o600
