"""Checksums again, from the command line."""

from tests.cli.commands import run


def test_verify_finds_what_was_changed_afterwards(recipe, tmp_path):
    assert run("merge", recipe, tmp_path / "out").exit_code == 0
    done = run("verify", tmp_path / "out", "--derive")
    assert done.exit_code == 0
    assert "0 damaged" in done.stdout
    weights = tmp_path / "out" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x01")
    done = run("verify", tmp_path / "out")
    assert done.exit_code == 1
    assert "1 damaged" in done.stdout
