"""Locks that nobody else can take away, and files of ours that are never somebody's link."""

import os
import stat
import threading

import pytest

from nbmerge.engine.merge import merge
from nbmerge.engine.output import commit
from nbmerge.engine.output.commit import beside
from nbmerge.engine.output.journal import Journal
from nbmerge.errors import MergeStopped, OutputError
from nbmerge.recipe import Recipe


@pytest.fixture
def half(family) -> Recipe:
    models = [str(family.base), str(family.ft1)]
    return Recipe.of({"merge_method": "linear", "models": models, "parameters": {"weight": 0.5}})


@pytest.fixture
def shared(tmp_path, monkeypatch):
    """A folder for temporary files, a home, and no folder of this session."""
    for name in ("shared", "home", "run", "elsewhere"):
        (tmp_path / name).mkdir()
    monkeypatch.setattr(commit.tempfile, "gettempdir", lambda: str(tmp_path / "shared"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    return tmp_path / "shared" / f"nbmerge-locks-{os.getuid()}"


def test_the_session_folder_is_preferred(shared, tmp_path, monkeypatch):
    assert commit._folder_of_locks() == shared
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "run"))
    assert commit._folder_of_locks() == tmp_path / "run" / "nbmerge-locks"
    for wrong in ("relative", str(tmp_path / "no" / "such"), ""):
        monkeypatch.setenv("XDG_RUNTIME_DIR", wrong)
        assert commit._folder_of_locks() == shared


HARM = {
    "of another user": lambda folder, elsewhere: folder.mkdir(),
    "a link": lambda folder, elsewhere: folder.symlink_to(elsewhere),
    "a file": lambda folder, elsewhere: folder.write_text(""),
    "for everybody": lambda folder, elsewhere: (folder.mkdir(), folder.chmod(0o777)),
}


@pytest.mark.parametrize("harm", HARM)
def test_a_lock_folder_in_our_way_blocks_no_merge(shared, half, harm, tmp_path, monkeypatch):
    HARM[harm](shared, tmp_path / "elsewhere")
    if harm == "of another user":
        real, inode = os.lstat, os.lstat(shared).st_ino
        monkeypatch.setattr(commit.os, "lstat", lambda path: _of_another(real(path), inode))
    assert merge(half, tmp_path / "out").path.is_dir()
    assert os.listdir(tmp_path / "home" / ".cache" / "nbmerge" / "locks")
    assert not os.listdir(tmp_path / "elsewhere")


def _of_another(found: os.stat_result, inode: int) -> os.stat_result:
    values = list(found)
    values[stat.ST_UID] += found.st_ino == inode
    return os.stat_result(values)


def test_nowhere_to_lock_is_said(shared, half, tmp_path, monkeypatch):
    monkeypatch.setattr(commit, "_is_ours", lambda folder: False)
    with pytest.raises(OutputError, match="Set TMPDIR"):
        merge(half, tmp_path / "out")


@pytest.mark.parametrize("what", ["journal", "journal-new"])
def test_a_link_in_the_place_of_the_journal_is_not_written_through(half, tmp_path, what):
    mine = tmp_path / "mine"
    mine.write_text("years")
    beside(tmp_path / "out", what).symlink_to(mine)
    assert merge(half, tmp_path / "out").path.is_dir()
    assert mine.read_text() == "years"


def test_a_link_that_appears_meanwhile_is_an_error(tmp_path):
    mine, journal = tmp_path / "mine", Journal(tmp_path / "journal", "x", {})
    mine.write_text("years")
    journal.begin({})
    journal.path.unlink()
    journal.path.symlink_to(mine)
    with pytest.raises(OSError, match="symbolic link"):
        journal.note("a", "b")
    assert mine.read_text() == "years"


def test_a_hard_link_to_an_unfinished_file_is_not_written_through(half, tmp_path):
    """A backup made with hard links, for example."""
    stop = threading.Event()
    listener = lambda e: stop.set() if e.tensors_done >= 10 else None  # noqa: E731
    with pytest.raises(MergeStopped):
        merge(half, tmp_path / "out", cancel=stop, progress=listener, threads=1)
    (tmp_path / "backup").hardlink_to(beside(tmp_path / "out", "partial") / "model.safetensors")
    before = (tmp_path / "backup").read_bytes()
    merge(half, tmp_path / "out")
    assert (tmp_path / "backup").read_bytes() == before
