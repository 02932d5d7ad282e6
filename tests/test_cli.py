import json
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import nbformat
import pandas as pd
import pytest
import torch
from typer.testing import CliRunner

import nbmerge
from nbmerge import demo
from nbmerge.cli import app
from nbmerge.cli.executed import execute_notebook
from nbmerge.engine.planner import plan
from nbmerge.recipe import Recipe
from tests.models import make_model, read_tensors


@pytest.fixture
def recipe(family, tmp_path):
    text = f"""\
merge_method: task_arithmetic
base_model: {family.base}
models:
  - model: {family.ft1}
    parameters: {{weight: [0, 0.5, 1]}}
  - model: {family.ft2}
    parameters: {{weight: 0.3}}
"""
    file = tmp_path / "recipe.yml"
    file.write_text(text)
    return file


def run(*words, **options):
    return CliRunner().invoke(app, [str(w) for w in words], prog_name="nbmerge", **options)


def test_the_command_line_costs_no_heavy_import():
    heavy = "('torch', 'transformers', 'pandas', 'numpy', 'matplotlib', 'pydantic', 'ipywidgets')"
    code = f"import sys, nbmerge.cli; print([m for m in {heavy} if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "[]\n"


def test_python_dash_m(recipe):
    done = subprocess.run([sys.executable, "-m", "nbmerge", "--version"], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, f"nbmerge {nbmerge.__version__}\n")


def test_every_command_is_listed_and_explains_itself():
    listed = run("--help").stdout
    for command in ("demo", "lab", "check", "plan", "merge", "verify", "convert", "measure", "transplant"):
        assert f"\n  {command} " in listed
        assert run(command, "--help").exit_code == 0


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


def test_check_for_programs(recipe, tmp_path):
    good = json.loads(run("check", recipe, "--json").stdout)
    assert good["ok"]
    assert good["forecast"]["bytes_written"] == plan(Recipe.load(recipe)).bytes_written
    assert "seconds" not in good["forecast"]
    assert json.loads(run("check", recipe, "--json", "--time").stdout)["forecast"]["seconds"] > 0
    recipe.write_text("merge_method: [")
    done = run("check", recipe, "--json")
    assert done.exit_code == 1
    assert json.loads(done.stdout)["problems"][0]["severity"] == "error"


def test_check_looks_at_the_output_too(recipe, family):
    done = run("check", recipe, "--out", family.base)
    assert done.exit_code == 1
    assert "is, holds or lies in the input" in done.stdout


def test_a_recipe_from_standard_input(recipe):
    assert run("check", "-", input=recipe.read_text()).exit_code == 0


# --- plan


def test_plan_as_a_table(recipe):
    lines = run("plan", recipe).stdout.splitlines()
    assert lines[0].split()[:2] == ["tensor", "layer"]
    assert len(lines) == 1 + len(plan(Recipe.load(recipe)).tensors)
    assert "nan" not in "".join(lines).lower()


def test_plan_for_programs_and_spreadsheets(recipe, tmp_path):
    expected = plan(Recipe.load(recipe)).values()
    rows = json.loads(run("plan", recipe, "--json").stdout)
    assert [r["weight[ft1]"] for r in rows] == expected["weight[ft1]"].tolist()
    file = tmp_path / "plan.csv"
    file.write_text(run("plan", recipe, "--csv").stdout)
    assert pd.read_csv(file)["tensor"].tolist() == expected["tensor"].tolist()
    assert run("plan", recipe, "--csv", "--json").exit_code == 2


# --- convert


def test_convert_for_programs(recipe, tmp_path):
    said = json.loads(run("convert", recipe, "--json", "--out", tmp_path / "r.yml").stdout)
    wanted = Recipe.load(recipe)
    assert set(said) == {
        "ok", "problems", "found", "fingerprint", "recipe", "yaml", "mergekit", "python", "words",
    }  # fmt: skip
    assert said["fingerprint"] == wanted.fingerprint
    assert Recipe.of(said["recipe"]) == Recipe.load(said["yaml"]) == Recipe.load(tmp_path / "r.yml") == wanted
    assert said["mergekit"]["same"]
    assert {p["severity"] for p in said["mergekit"]["lost"]} <= {"info"}


@pytest.mark.parametrize("command", ["check", "convert", "plan"])
def test_what_forbids_a_recipe_is_said_to_programs(command, tmp_path):
    file = tmp_path / "r.yml"
    file.write_text("merge_method: slerp\nmodel: [a, b]\n")
    done = run(command, file, "--json")
    assert done.exit_code == 1
    said = json.loads(done.stdout)
    assert said["ok"] is False
    first = said["problems"][0]
    assert set(first) == {"severity", "where", "place", "what", "how", "line"}
    assert (first["where"], first["line"]) == (["model"], 2)


def test_notes_on_a_source_are_said_to_programs():
    said = json.loads(run("convert", "-", "--json", input="0,1,0.5" + ",0" * 17).stdout)
    assert said["found"].startswith("supermerger") or "block weights" in said["found"]
    assert {p["severity"] for p in said["problems"]} <= {"info", "warning"}


def test_convert_spells_out_what_versions_read_differently(recipe, tmp_path):
    out = tmp_path / "new.yml"
    assert run("convert", recipe, "-o", out).exit_code == 0
    assert plan(Recipe.load(out)).tensors == plan(Recipe.load(recipe)).tensors
    done = run("convert", recipe)
    assert done.stdout == out.read_text()
    assert "Found the YAML file recipe.yml." in done.stderr


def test_convert_with_a_dialect(recipe):
    old = Recipe.load(run("convert", recipe, "--dialect", "mergekit-0.1").stdout)
    assert plan(old)["lm_head.weight"].values.each["weight"][1] == 0
    assert plan(Recipe.load(recipe))["lm_head.weight"].values.each["weight"][1] == 1


def test_convert_replaces_nothing_unasked(recipe):
    text = recipe.read_text()
    done = run("convert", recipe, "-o", recipe)
    assert done.exit_code == 1
    assert recipe.read_text() == text
    assert run("convert", recipe, "-o", recipe, "--overwrite").exit_code == 0


# --- merge


def test_merge_writes_a_model(recipe, tmp_path):
    done = run("merge", recipe, tmp_path / "out", "--dtype", "bfloat16", "--max-shard-size", "10KB", "--threads", 1)
    assert done.exit_code == 0
    assert str(tmp_path / "out") in done.stdout
    tensors = read_tensors(tmp_path / "out")
    assert {str(t.dtype) for t in tensors.values()} == {"torch.bfloat16"}
    assert len(list((tmp_path / "out").glob("*.safetensors"))) > 1


def test_merge_with_a_seed_says_so_in_the_recipe(recipe, tmp_path):
    recipe.write_text(recipe.read_text().replace("task_arithmetic", "dare_linear") + "parameters: {density: 0.5}\n")
    assert run("merge", recipe, tmp_path / "out", "--seed", 7, "--quiet").stdout == ""
    assert Recipe.load(tmp_path / "out").random_seed == 7


def test_merge_refuses_and_overwrites(recipe, tmp_path):
    assert run("merge", recipe, tmp_path / "out").exit_code == 0
    done = run("merge", recipe, tmp_path / "out")
    assert done.exit_code == 1
    assert done.stderr.startswith("nbmerge: ")
    assert "--overwrite" in done.stderr
    assert "Traceback" not in done.output
    assert run("merge", recipe, tmp_path / "out", "--overwrite").exit_code == 0


def test_merge_of_an_impossible_recipe(recipe, tmp_path):
    done = run("merge", recipe, tmp_path / "out", "--dtype", "int3")
    assert done.exit_code == 1
    assert "'int3' is not a dtype" in done.stderr
    assert not (tmp_path / "out").exists()


def test_numbers_that_are_none_stop_a_merge_unless_allowed(recipe, family, tmp_path):
    broken = make_model(
        tmp_path / "broken", base=family.ft1, replace={"model.norm.weight": torch.full((16,), torch.nan)}
    )
    recipe.write_text(recipe.read_text().replace(str(family.ft1), str(broken)))
    done = run("merge", recipe, tmp_path / "out")
    assert done.exit_code == 1
    assert "--allow-nonfinite" in done.stderr
    assert run("merge", recipe, tmp_path / "out", "--allow-nonfinite").exit_code == 0


def test_a_size_that_is_none(recipe, tmp_path):
    done = run("merge", recipe, tmp_path / "out", "--max-shard-size", "5 tons")
    assert done.exit_code == 2
    assert "GiB" in done.stderr


def test_ctrl_c_leaves_nothing_under_the_name_and_can_be_followed_by_another_try(recipe, tmp_path, monkeypatch):
    usual = signal.getsignal(signal.SIGINT)

    @contextmanager
    def one_that_presses_ctrl_c(words, quiet):
        def listen(event):
            if event.tensors_done == 1:
                signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
                deadline = time.monotonic() + 10
                while signal.getsignal(signal.SIGINT) is not usual and time.monotonic() < deadline:
                    time.sleep(0.001)  # until the signal has arrived in the main thread

        yield listen

    monkeypatch.setattr("nbmerge.cli.progress.progress_bar", one_that_presses_ctrl_c)
    done = run("merge", recipe, tmp_path / "out", "--threads", 1)
    assert done.exit_code == 130
    assert "stopped" in done.stderr.lower()
    assert not (tmp_path / "out").exists()
    assert signal.getsignal(signal.SIGINT) is usual
    monkeypatch.undo()
    assert run("merge", recipe, tmp_path / "out").exit_code == 0
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out", "recipe.yml"]


def test_a_bug_shows_its_traceback(recipe, monkeypatch):
    def broken(*_):
        raise ZeroDivisionError

    monkeypatch.setattr("nbmerge.engine.check.check", broken)
    assert isinstance(run("check", recipe).exception, ZeroDivisionError)


# --- verify


def test_verify_finds_what_was_changed_afterwards(recipe, tmp_path):
    assert run("merge", recipe, tmp_path / "out").exit_code == 0
    done = run("verify", tmp_path / "out", "--derive")
    assert done.exit_code == 0
    assert "0 damaged" in done.stdout
    weights = tmp_path / "out" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x01")
    done = run("verify", tmp_path / "out")
    assert done.exit_code == 1
    assert "1 damaged" in done.stdout


# --- measure


def test_measure_writes_a_table(family, tmp_path):
    shown = run("measure", family.base, family.ft1, family.ft2)
    assert shown.exit_code == 0
    assert run("measure", family.base, family.ft1, family.ft2, "-o", tmp_path / "t.csv").exit_code == 0
    assert (tmp_path / "t.csv").read_text() == shown.stdout
    assert len(pd.read_csv(tmp_path / "t.csv")) >= len(read_tensors(family.base))


def test_measure_refuses_before_it_works(tmp_path):
    done = run("measure", "nowhere", "nothing", "-o", tmp_path / "t.xlsx")
    assert done.exit_code == 1
    assert "neither .csv nor .parquet" in done.stderr
    assert "Create it first" in run("measure", "nowhere", "nothing", "-o", tmp_path / "no" / "t.csv").stderr


# --- lab


def test_lab_copies_the_notebook_once_and_opens_it(tmp_path, monkeypatch):
    calls = []
    monkeypatch.setattr("os.execv", lambda program, command: calls.append((Path.cwd(), command)))
    monkeypatch.chdir(tmp_path)
    assert run("lab", "work", "--", "--no-browser").exit_code == 0
    notebook = tmp_path / "work" / "01-first-merge.ipynb"
    json.loads(notebook.read_text())
    notebook.write_text("mine")
    assert run("lab", tmp_path / "work").exit_code == 0
    assert notebook.read_text() == "mine"
    page = f"--LabApp.default_url=/lab/tree/{notebook.name}"
    assert calls[0] == (notebook.parent, [sys.executable, "-m", "jupyterlab", page, "--no-browser"])


def test_lab_without_jupyterlab_gives_the_command(tmp_path, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    done = run("lab", tmp_path)
    assert done.exit_code == 1
    assert "-m pip install 'jupyterlab" in done.stderr
    assert not list(tmp_path.iterdir())


def test_lab_where_nothing_can_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    done = run("lab", tmp_path / "file")
    assert done.exit_code == 1
    assert "Choose another folder" in done.stderr


# --- demo


@pytest.mark.slow
def test_demo_shows_the_main_job_and_where_its_results_are(tmp_path, monkeypatch):
    monkeypatch.setattr("nbmerge.cli.executed.execute_notebook", lambda folder: None)  # tested below and as a notebook
    done = run("demo", "--out", tmp_path / "out")
    assert done.exit_code == 0
    for name in ("base", "one weight", "a weight for each layer", *demo.PROMPTS):
        assert name in done.stdout
    results = [Path(line[line.index("/") :]) for line in done.stdout.splitlines() if str(tmp_path) in line]
    assert [r.suffix for r in results] == ["", ".png", ".png", ".png"]
    assert all(r.exists() for r in results)
    assert "not executed: Jupyter is not installed" in done.stdout
    assert run("demo", "--out", tmp_path / "out").exit_code == 0  # again, over the first


@pytest.mark.notebook
def test_an_executed_notebook_has_its_outputs(tmp_path, monkeypatch):
    cells = [nbformat.v4.new_code_cell("import os; print(os.getcwd())")]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "small.ipynb")
    monkeypatch.setattr("nbmerge.cli.executed.shipped_notebook", lambda: tmp_path / "small.ipynb")
    (tmp_path / "out").mkdir()
    executed = nbformat.read(execute_notebook(tmp_path / "out"), as_version=4)
    assert executed.cells[0].outputs[0].text.strip() == str(tmp_path / "out")


def test_without_jupyter_no_notebook_is_executed(tmp_path, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert execute_notebook(tmp_path) is None
