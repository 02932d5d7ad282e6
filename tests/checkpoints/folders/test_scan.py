"""Models are found in a tree of folders, with the reason for what is none."""

import os

import pytest

from nbmerge.checkpoints import scan_folder
from nbmerge.errors import CheckpointError
from tests.models import make_model


def test_models_adapters_and_links_are_found_and_other_folders_are_not(tmp_path):
    root, away = tmp_path / "models", tmp_path / "away"
    make_model(root / "one", layers=1)
    make_model(root / "deep" / "er" / "two", layers=1)
    make_model(away, layers=1)
    (root / "adapter").mkdir()
    (root / "adapter" / "adapter_config.json").write_text("{}")
    (root / "broken").mkdir()
    (root / "broken" / "config.json").write_text("{")
    (root / "weights").mkdir()
    (root / "weights" / "model.gguf").write_text("")
    (root / "notes").mkdir()
    os.symlink(away, root / "linked")
    os.mkfifo(root / "notes" / "pipe")
    scan = scan_folder(root)
    found = {str(m.path.relative_to(root)): (m.kind, m.reason) for m in scan.models}
    assert scan.is_complete
    assert list(found)[:2] == ["deep/er/two", "one"]
    assert found["one"] == ("model", "")
    assert found["adapter"][0] == "adapter"
    assert found["linked"][0] == "link"
    assert str(away) in found["linked"][1]
    assert found["broken"][0] == "unusable"
    assert "JSON" in found["broken"][1]
    assert "no config.json" in found["weights"][1]
    assert "notes" not in found


def test_a_scan_is_bounded_and_says_so(tmp_path, monkeypatch):
    for i in range(3):
        make_model(tmp_path / str(i), layers=1)
    assert not scan_folder(tmp_path, seconds=-1).is_complete
    monkeypatch.setattr("nbmerge.checkpoints.folders.scan.MOST_FOUND", 2)
    scan = scan_folder(tmp_path)
    assert (len(scan.models), scan.is_complete) == (2, False)


@pytest.mark.parametrize("folder", ["/no/such", "a\0b", "~nobody-here/x"])
def test_only_folders_are_scanned(folder):
    with pytest.raises(CheckpointError):
        scan_folder(folder)
