"""A few dozen hostile inputs of every kind, in a process of their own: refused in time, or used; never anything else."""

import subprocess
import sys

import pytest

from tests.hostile.attack import too_much_said
from tests.hostile.generator import KINDS, LONG, make_input, make_sound


@pytest.mark.slow
def test_hostile_inputs():
    command = [sys.executable, "-m", "tests.hostile.attack", "--workers", "1"]
    done = subprocess.run([*command, "--inputs", str(3 * len(KINDS))], capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr


def test_inputs_are_the_same_again(tmp_path):
    sound = make_sound(tmp_path)
    for seed in range(len(KINDS)):
        first = make_input(sound, seed, tmp_path / "x")
        files = {f.name: f.read_bytes() for f in first.folder.iterdir() if f.is_file() and not f.is_symlink()}
        again = make_input(sound, seed, tmp_path / "x")
        assert again.recipe == first.recipe
        assert all((tmp_path / "x" / n).read_bytes() == raw for n, raw in files.items() if not n.endswith(".bin"))


def test_excessive_messages_are_detected():
    assert too_much_said(f"unknown key {LONG}") != ""
    assert too_much_said("\x1b[2J") != ""
    assert too_much_said(f"unknown key {LONG[:100]}") == ""
