"""A Studio whose cell runs again, in the same kernel or after a restart."""

from __future__ import annotations

import ipywidgets
import pytest

from nbmerge.widgets import Studio
from tests.widgets.controls.test_cell import Shell


@pytest.fixture
def run(monkeypatch):
    """Run a cell: what is made afterwards is made by it."""
    monkeypatch.delenv("JPY_SESSION_NAME", raising=False)
    return lambda *a, **k: monkeypatch.setattr("IPython.get_ipython", lambda: Shell(*a, **k))


def draw(studio: Studio, value: float = 0.5):
    studio.state.edit(lambda r: r.with_parameter("lambda", value))
    return studio.recipe


def restore_line(studio: Studio):
    return studio.children[1]


def test_a_cell_that_runs_again_restores_its_session_and_can_start_over(run, recipe):
    run(cell_id="a", request="1")
    drawn = draw(Studio(recipe))
    run(cell_id="a", request="2")
    studio = Studio(recipe)
    assert studio.recipe == drawn
    assert "goes on where it was left (2 steps)" in restore_line(studio).note.value
    restore_line(studio).start_over.click()
    assert studio.recipe == recipe
    studio.state.redo()
    assert studio.recipe == drawn
    studio.close()


def test_a_cell_with_another_recipe_shows_it_and_offers_the_former(run, recipe):
    run(cell_id="a", request="1")
    drawn = draw(Studio(recipe))
    run(cell_id="a", request="2")
    other = recipe.with_parameter("lambda", 0.9)
    studio = Studio(other)
    assert studio.recipe == other
    assert restore_line(studio).restore.description.startswith("Restore ")
    restore_line(studio).restore.click()
    assert studio.recipe == drawn
    studio.close()


def test_after_a_restart_it_offers_what_was_kept(run, recipe, tmp_path):
    run(cell_id="a", request="1")
    former = Studio(recipe)
    drawn = draw(former)
    former.close()
    run(cell_id="a", request="1 of a new kernel")
    studio = Studio(recipe)
    assert studio.recipe == recipe
    studio.restore()
    assert studio.recipe == drawn
    assert [f.name[:7] for f in (tmp_path / ".nbmerge").iterdir()] == ["studio-"]
    studio.close()


def test_nothing_is_kept_where_that_is_not_wanted_or_there_is_no_cell(run, recipe, tmp_path):
    for request in ("1", "2"):
        run(cell_id="a", request=request)
        studio = Studio(recipe, save=False)
        assert studio.recipe == recipe
        draw(studio)
    studio.close()
    assert not (tmp_path / ".nbmerge").exists()


def test_it_is_kept_in_a_file_of_ones_own(recipe, tmp_path):
    file = tmp_path / "kept" / "mine.json"
    first = Studio(recipe, save=file)
    drawn = draw(first)
    first.close()
    again = Studio(recipe, save=file)
    again.restore()
    assert again.recipe == drawn
    again.close()


@pytest.mark.slow
def test_no_token_is_in_the_file_or_in_what_a_notebook_saves(recipe, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "secret-of-the-hub-42")
    file = tmp_path / "mine.json"
    studio = Studio(recipe, save=file)
    studio.history, studio.compare  # noqa: B018  panels of the drawer are made when they are asked for
    studio.state.prompts = "tell me secret-of-the-hub-42"
    draw(studio)
    studio.session.keeper.keep()
    shown = [w.get_state() for w in ipywidgets.widgets.widget._instances.values()]
    words = repr([state for state in shown if "tell me" not in repr(state)])  # what a user types is shown
    assert "secret-of-the-hub" not in words + file.read_text()
    assert "tell me" in file.read_text()
    studio.close()


def test_a_file_that_cannot_be_written_is_reported_on_screen(recipe, tmp_path):
    (tmp_path / "kept").write_text("a file where the folder should be")
    studio = Studio(recipe, save=tmp_path / "kept" / "mine.json")
    draw(studio)
    studio.session.keeper.keep()
    assert "The history is not saved" in restore_line(studio).note.value
    studio.close()
