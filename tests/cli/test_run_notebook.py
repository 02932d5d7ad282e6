"""Notebooks executed without a browser."""

import pytest

from nbmerge.cli.run_notebook import execute_notebook


@pytest.mark.notebook
def test_an_executed_notebook_has_its_outputs(tmp_path, monkeypatch):
    import nbformat

    cells = [nbformat.v4.new_code_cell("import os; print(os.getcwd())")]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "small.ipynb")
    monkeypatch.setattr("nbmerge.cli.run_notebook.find_notebook", lambda: tmp_path / "small.ipynb")
    (tmp_path / "out").mkdir()
    executed = nbformat.read(execute_notebook(tmp_path / "out"), as_version=4)
    assert executed.cells[0].outputs[0].text.strip() == str(tmp_path / "out")


def test_without_jupyter_no_notebook_is_executed(tmp_path, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert execute_notebook(tmp_path) is None
