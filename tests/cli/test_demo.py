"""The demo shows the main job and says where its results are."""

from pathlib import Path

import pytest

from nbmerge import demo
from tests.cli.commands import run


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
