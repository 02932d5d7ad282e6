"""One folder is listed: what is in it, whatever somebody has put there."""

import os

import pytest

from nbmerge.checkpoints import folders
from nbmerge.checkpoints.folders import complete_name, list_folder
from nbmerge.errors import CheckpointError
from tests.models import make_model


def kinds(listing):
    return {e.path.name: e.found.kind if e.found else "folder" for e in listing.entries}


def test_models_adapters_folders_and_links_are_listed_in_this_order(tmp_path):
    root, away = tmp_path / "models", make_model(tmp_path / "away", layers=1)
    make_model(root / "z", layers=1)
    (root / "z" / "checkpoint-1").mkdir()
    for name in ("notes", ".hidden", "adapter", "weights", "<b>" * 66):
        (root / name).mkdir()
    (root / "adapter" / "adapter_config.json").write_text("{}")
    (root / "weights" / "model.gguf").write_text("")
    os.symlink(away, root / "linked")
    os.symlink(root, root / "back")
    os.symlink("loop", root / "loop")
    os.symlink("/no/such", root / "broken")
    os.mkdir(os.fsencode(root) + b"/\xff\xfe")
    listing = list_folder(root)
    assert kinds(listing) == {
        "linked": "model", "z": "model", "adapter": "adapter", "<b>" * 66: "folder", "back": "folder",
        "notes": "folder", "weights": "unusable",
    }  # fmt: skip
    assert list(kinds(listing)) == ["linked", "z", "adapter", "<b>" * 66, "back", "notes", "weights"]
    by_name = {e.path.name: e for e in listing.entries}
    assert [by_name[n].can_open for n in ("linked", "z", "notes")] == [False, True, True]
    assert (by_name["linked"].target, by_name["back"].target) == (str(away), str(root))
    assert (listing.hidden, listing.unnamed, listing.unseen, listing.left_out) == (1, 1, 0, 0)
    assert listing.found is None
    assert list_folder(root / "z").found.kind == "model"
    assert complete_name(root, "") == ["<b>" * 66, "adapter", "back", "linked", "notes", "weights", "z"]
    assert complete_name(root, ".h") == [".hidden"]


def test_a_large_folder_is_cut_off_and_a_slow_one_is_listed_without_being_read(tmp_path, monkeypatch):
    for i in range(3):
        (tmp_path / str(i)).mkdir()
    make_model(tmp_path / "last", layers=1)
    monkeypatch.setattr("nbmerge.checkpoints.folders.listing.MOST_LISTED", 2)
    listing = list_folder(tmp_path)
    assert (list(kinds(listing)), listing.left_out) == (["last", "0"], 2)
    slow = list_folder(tmp_path, seconds=-1)
    assert (list(kinds(slow)), slow.unseen, slow.is_complete) == (["0", "1"], 4, True)
    for module in ("found", "listing"):
        monkeypatch.setattr(f"nbmerge.checkpoints.folders.{module}.MOST_ENTRIES", 3)
    assert not list_folder(tmp_path).is_complete


def test_what_cannot_be_read_is_said(tmp_path, monkeypatch):
    (tmp_path / "private").mkdir()
    scandir = os.scandir

    def refuse(path):
        if os.path.basename(path) == "private":
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(folders.found.os, "scandir", refuse)
    (entry,) = list_folder(tmp_path).entries
    assert (entry.found.kind, entry.found.reason) == ("unusable", "it cannot be read: Permission denied")
    assert not entry.can_open
    with pytest.raises(CheckpointError, match="private' cannot be read: Permission denied"):
        list_folder(tmp_path / "private")


@pytest.mark.parametrize("folder", ["/no/such", "a\0b", "~nobody-here/x", "x" * 5000])
def test_only_folders_are_listed(folder):
    with pytest.raises(CheckpointError):
        list_folder(folder)
