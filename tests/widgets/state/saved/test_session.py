"""A Studio and its file: restoring, leaving nothing overwritten, files that are damaged."""

from __future__ import annotations

import json
import os

import pytest

from nbmerge.errors import NbmergeError
from nbmerge.widgets.state.saved import Keeper, Session, find_notebook, find_place
from nbmerge.widgets.state.studio_state import StudioState


@pytest.fixture
def file(tmp_path):
    return tmp_path / ".nbmerge" / "mine-0123abcd.json"


def work(state: StudioState, value: float = 0.5) -> None:
    state.edit(lambda r: r.with_parameter("lambda", value))


def test_work_is_offered_again_and_restored(state, recipe, file):
    first = Session(state, file)
    assert not first.offer
    work(state)
    first.close()
    again = StudioState(recipe)
    second = Session(again, file)
    assert second.offer_title.endswith("(2 steps)")
    assert again.recipe == recipe
    second.restore()
    assert again.recipe == state.recipe
    assert again.history.current.summary.words == "lambda 1 → 0.5"
    assert second.offer is None
    second.close()
    with pytest.raises(NbmergeError, match="nothing to restore"):
        second.restore()


def test_a_studio_that_was_only_opened_writes_nothing(state, file):
    Session(state, file).close()
    assert not file.parent.exists()


def test_a_session_that_was_not_restored_is_kept(state, recipe, file):
    first = Session(state, file)
    work(state)
    first.close()
    kept = file.read_bytes()
    other = StudioState(recipe)
    second = Session(other, file)
    work(other, 0.25)
    second.close()
    assert file.with_suffix(".former").read_bytes() == kept
    third = Session(StudioState(recipe), file)
    third.restore(file.with_suffix(".former"))
    assert third.state.recipe == state.recipe
    third.close()


def test_a_damaged_file_is_renamed_with_a_warning(state, file):
    file.parent.mkdir()
    file.write_text('{"format": "nbmerge studio", <script>')
    session = Session(state, file)
    assert session.offer is None
    assert "cannot be read" in session.message
    assert "mine-0123abcd.damaged" in session.message
    work(state)
    session.close()
    assert json.loads(file.read_text())["version"] == 1
    assert file.with_suffix(".damaged").exists()


def test_a_pipe_in_its_place_does_not_block(state, file):
    file.parent.mkdir()
    os.mkfifo(file)
    session = Session(state, file)
    assert "not a regular file" in session.message
    session.close()


def test_a_folder_that_cannot_be_written_is_reported(state, file):
    file.parent.write_text("a file where the folder should be")
    session = Session(state, file)
    work(state)
    session.close()
    assert "not saved" in session.keeper.fault


def test_a_folder_that_leads_elsewhere_is_not_followed(state, file, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    file.parent.symlink_to(elsewhere)
    session = Session(state, file)
    work(state)
    session.close()
    assert list(elsewhere.iterdir()) == []


def test_the_session_is_saved_after_a_pause(state, file):
    keeper = Keeper(state, file)
    for value in (0.1, 0.2, 0.3):
        work(state, value)
    assert not file.exists()
    keeper.close()
    assert len(json.loads(file.read_text())["steps"]) == 4
    assert [f.name for f in file.parent.iterdir()] == [file.name]


def test_each_cell_has_a_file_and_a_new_id_finds_the_former(state, recipe, tmp_path, monkeypatch):
    notebook = tmp_path / "my book.ipynb"
    first, second = (find_place(cell, notebook) for cell in ("id 1", "id 2"))
    assert first != second
    assert first.parent == tmp_path / ".nbmerge"
    session = Session(state, first)
    work(state)
    session.keeper.keep()
    assert Session(StudioState(recipe), second).offer is None  # its Studio is open
    session.close()
    assert Session(StudioState(recipe), second).offer is not None
    monkeypatch.setenv("JPY_SESSION_NAME", str(notebook))
    assert find_notebook() == notebook
    monkeypatch.setenv("JPY_SESSION_NAME", "Console 1")
    assert find_notebook() is None
    assert find_place("x", tmp_path / ("n" * 300)).parent == tmp_path / ".nbmerge"
