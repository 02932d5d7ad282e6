"""When loops are loaded, and that a merge never depends on it."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from nbmerge.kernels import switch


@pytest.fixture
def fresh(monkeypatch):
    """As in a new process."""
    monkeypatch.setattr(switch._Switch, "loops", None)
    monkeypatch.setattr(switch._Switch, "is_broken", False)
    monkeypatch.setattr(switch._Switch, "missed_seconds", 0.0)
    monkeypatch.delenv(switch.VARIABLE, raising=False)


@pytest.mark.slow  # a process that imports torch
def test_little_work_does_not_import_numba():
    code = (
        "import sys, nbmerge, nbmerge.demo; from nbmerge import merge\n"
        "import tempfile, pathlib\n"
        "with tempfile.TemporaryDirectory() as folder:\n"
        "    merge(nbmerge.demo.recipe(), pathlib.Path(folder) / 'out', progress=False)\n"
        "print('torch' in sys.modules, 'numba' in sys.modules)"
    )
    environment = {name: value for name, value in os.environ.items() if name != switch.VARIABLE}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert done.stdout.split() == ["True", "False"]


def test_much_work_loads_the_loops(fresh):
    pytest.importorskip("numba")
    switch.request(switch.WORTHWHILE / 2)
    assert switch.find_loops() is None
    switch.request(switch.WORTHWHILE / 2)  # work adds up, as in a worker that gets it in small groups
    assert switch.find_loops().__name__ == "nbmerge.kernels.fusion"


def test_the_environment_decides(fresh, monkeypatch):
    pytest.importorskip("numba")
    monkeypatch.setenv(switch.VARIABLE, "0")
    switch.request(1e9)
    assert switch.find_loops() is None
    monkeypatch.setenv(switch.VARIABLE, "1")
    switch.request(0.0)
    assert switch.find_loops() is not None
    monkeypatch.setenv(switch.VARIABLE, "0")
    assert switch.find_loops() is None


def test_without_numba_nothing_is_loaded(fresh, monkeypatch):
    monkeypatch.setattr(switch, "find_spec", lambda name: None)
    switch.request(1e9)
    assert switch.find_loops() is None


def test_a_broken_numba_is_told_once(fresh, monkeypatch):
    pytest.importorskip("numba")

    def import_module(name):
        raise ImportError("Numba needs NumPy 2.3 or less")

    monkeypatch.setattr(switch, "import_module", import_module)
    with pytest.warns(UserWarning, match=r"numba cannot be used here \(Numba needs NumPy.*nbmerge\[fast\]"):
        switch.request(1e9)
    switch.request(1e9)
    assert switch.find_loops() is None
