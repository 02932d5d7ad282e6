"""JupyterLab on the first notebook."""

import json
import sys
from pathlib import Path

from tests.cli.commands import run


def test_lab_copies_the_notebook_once_and_opens_it(tmp_path, monkeypatch):
    calls = []
    monkeypatch.setattr("os.execv", lambda program, command: calls.append((Path.cwd(), command)))
    monkeypatch.chdir(tmp_path)
    assert run("lab", "work", "--", "--no-browser").exit_code == 0
    notebook = tmp_path / "work" / "01-first-merge.ipynb"
    json.loads(notebook.read_text())
    assert (notebook.parent / "13-your-own-panel.ipynb").exists()  # the first one links to it
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


def test_lab_in_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    done = run("lab", tmp_path / "file")
    assert done.exit_code == 1
    assert "Choose another folder" in done.stderr
