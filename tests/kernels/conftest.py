"""Compiled loops need numba, which the extra ``fast`` installs."""

from __future__ import annotations

import pytest

from nbmerge.kernels import switch


@pytest.fixture
def loops(monkeypatch):
    """The compiled loops, used whatever there is to do, until the test ends."""
    pytest.importorskip("numba")
    monkeypatch.setattr(switch._Switch, "loops", None)  # what it is afterwards, too
    monkeypatch.setenv(switch.VARIABLE, "1")
    switch.request(0.0)
    return switch.find_loops()
