"""`nbmerge merge`, including merges that are refused or stopped."""

import json
import signal
import threading
import time
from contextlib import contextmanager

import pytest
import torch

from nbmerge.recipe import Recipe
from tests.cli.commands import run
from tests.models import make_model, read_tensors


def test_merge_writes_a_model(recipe, tmp_path):
    done = run("merge", recipe, tmp_path / "out", "--dtype", "bfloat16", "--max-shard-size", "10KB", "--threads", 1)
    assert done.exit_code == 0
    assert str(tmp_path / "out") in done.stdout
    tensors = read_tensors(tmp_path / "out")
    assert {str(t.dtype) for t in tensors.values()} == {"torch.bfloat16"}
    assert len(list((tmp_path / "out").glob("*.safetensors"))) > 1


def test_merge_records_its_seed_in_the_recipe(recipe, tmp_path):
    recipe.write_text(recipe.read_text().replace("task_arithmetic", "dare_linear") + "parameters: {density: 0.5}\n")
    assert run("merge", recipe, tmp_path / "out", "--seed", 7, "--quiet").stdout == ""
    assert Recipe.load(tmp_path / "out").random_seed == 7


def test_merge_as_json(recipe, tmp_path):
    output = json.loads(run("merge", recipe, tmp_path / "out", "--json").stdout)
    assert set(output) == {"ok", "path", "tensors", "bytes_written", "seconds", "notes", "problems"}
    assert output["path"] == str(tmp_path / "out")
    assert output["tensors"] == len(read_tensors(tmp_path / "out"))
    recipe.write_text(recipe.read_text().replace("weight: 0.3", "wieght: 0.3"))
    done = run("merge", recipe, tmp_path / "never", "--json")
    assert done.exit_code == 1
    output = json.loads(done.stdout)
    assert not output["ok"]
    assert "wieght" in output["problems"][0]["what"]


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
    assert "'int3' is not a supported dtype" in done.stderr
    assert not (tmp_path / "out").exists()


def test_nan_stops_a_merge_unless_allowed(recipe, family, tmp_path):
    broken = make_model(
        tmp_path / "broken", base=family.ft1, replace={"model.norm.weight": torch.full((16,), torch.nan)}
    )
    recipe.write_text(recipe.read_text().replace(str(family.ft1), str(broken)))
    done = run("merge", recipe, tmp_path / "out")
    assert done.exit_code == 1
    assert "--allow-nonfinite" in done.stderr
    assert run("merge", recipe, tmp_path / "out", "--allow-nonfinite").exit_code == 0


def test_an_invalid_size(recipe, tmp_path):
    done = run("merge", recipe, tmp_path / "out", "--max-shard-size", "5 tons")
    assert done.exit_code == 2
    assert "GiB" in done.stderr


@pytest.mark.usefixtures("ctrl_c")
def test_ctrl_c_leaves_no_output_folder_and_the_merge_can_be_repeated(recipe, tmp_path, monkeypatch):
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

    monkeypatch.setattr("nbmerge.cli.terminal.progress.progress_bar", one_that_presses_ctrl_c)
    done = run("merge", recipe, tmp_path / "out", "--threads", 1)
    assert done.exit_code == 130
    assert "stopped" in done.stderr.lower()
    assert not (tmp_path / "out").exists()
    assert signal.getsignal(signal.SIGINT) is usual
    monkeypatch.undo()
    assert run("merge", recipe, tmp_path / "out").exit_code == 0
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out", "recipe.yml"]
