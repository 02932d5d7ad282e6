"""`nbmerge verify`."""

import json

from tests.cli.commands import run
from tests.models import read_tensors


def test_verify_finds_changed_bytes(recipe, tmp_path):
    assert run("merge", recipe, tmp_path / "out").exit_code == 0
    done = run("verify", tmp_path / "out", "--derive")
    assert done.exit_code == 0
    assert "0 damaged" in done.stdout
    weights = tmp_path / "out" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x01")
    done = run("verify", tmp_path / "out")
    assert done.exit_code == 1
    assert "1 damaged" in done.stdout


def test_verify_as_json_and_quietly(recipe, tmp_path):
    assert run("merge", recipe, tmp_path / "out", "--quiet").exit_code == 0
    output = json.loads(run("verify", tmp_path / "out", "--json").stdout)
    count = len(read_tensors(tmp_path / "out"))
    assert output == {
        "ok": True, "path": str(tmp_path / "out"), "checked": count,
        "damaged": [], "derived": 0, "differing": [], "device": None,
    }  # fmt: skip
    assert run("verify", tmp_path / "out", "--quiet").stdout == ""
    weights = tmp_path / "out" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x01")
    assert len(json.loads(run("verify", tmp_path / "out", "--json").stdout)["damaged"]) == 1
    done = run("verify", tmp_path / "out", "--quiet")
    assert done.exit_code == 1
    assert "damaged: " in done.stdout
