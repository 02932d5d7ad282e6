"""The demo shows the main job and says where its results are."""

from pathlib import Path

import pytest

from nbmerge import demo
from nbmerge.cli.demo import check_demo_folder
from nbmerge.cli.shipped_notebooks import find_notebook
from tests.cli.commands import run


@pytest.mark.slow
def test_demo_shows_the_main_job_and_where_its_results_are(tmp_path, monkeypatch):
    monkeypatch.setattr(
        "nbmerge.cli.run_notebook.execute_notebook", lambda folder: None
    )  # tested below and as a notebook
    done = run("demo", "--out", tmp_path / "out")
    assert done.exit_code == 0
    for name in ("base", "single weight", "merge, gradient", *demo.PROMPTS):
        assert name in done.stdout
    results = [Path(line[line.index("/") :]) for line in done.stdout.splitlines() if str(tmp_path) in line]
    assert [r.suffix for r in results] == ["", ".png", ".png"]
    assert all(r.exists() for r in results)
    assert "not executed: Jupyter is not installed" in done.stdout
    assert run("demo", "--out", tmp_path / "out").exit_code == 0  # again, over the first


def test_demo_replaces_only_what_a_demo_wrote(tmp_path):
    work = tmp_path / "work"
    shipped = find_notebook().read_text(encoding="utf-8")
    for name, text in {
        "merged/thesis.tex": "years", "gradients.png": "mine", "distances.png": "mine",
        "01-first-merge.ipynb": '{"cells": [{"source": ["mine"]}]}',
    }.items():  # fmt: skip
        file = work / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        done = run("demo", "--out", work)
        assert done.exit_code == 1
        assert Path(name).name in done.stderr
        assert file.read_text() == text
        file.unlink()
    (work / "01-first-merge.ipynb").write_text(shipped)
    check_demo_folder(work)
